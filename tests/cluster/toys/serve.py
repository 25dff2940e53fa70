"""A toy server: `/live` and `/ready` answer 200 until `PUT /live/503` or `PUT /ready/503` says otherwise; every other path tells its name.

SIGTERM: goes on for LINGER seconds, then exits 0. It listens on IP (its pod's address) and port 8000 after SLOW seconds.
"""

# ruff: noqa: T201 -- what it prints is its log

import http.server
import os
import signal
import threading
import time

answers = {"/live": 200, "/ready": int(os.environ.get("READY", "200"))}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(answers.get(self.path, 200))
        self.end_headers()
        self.wfile.write(os.environ["HOSTNAME"].encode())

    def do_PUT(self) -> None:
        path, _, status = self.path.rpartition("/")
        answers[path] = int(status)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """No line per request."""


def end(*_: object) -> None:
    print("SIGTERM", flush=True)
    threading.Timer(float(os.environ.get("LINGER", "0")), os._exit, (0,)).start()


signal.signal(signal.SIGTERM, end)
time.sleep(float(os.environ.get("SLOW", "0")))
print("serving", flush=True)
http.server.ThreadingHTTPServer((os.environ["IP"], 8000), Handler).serve_forever()
