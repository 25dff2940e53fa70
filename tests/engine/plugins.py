"""What every plugin of the engine does: serve gRPC on a free port, print the port, end when told to or when the engine is gone."""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent import futures

import grpc

MESSAGE_BYTES = 400 << 20  # what the engine itself allows


def leave_with_parent(leave: Callable[[int], None]) -> None:
    """Call `leave(3)` when the parent is gone: an engine that was killed must not leave plugins behind."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        leave(3)

    threading.Thread(target=watch, daemon=True).start()


def serve(register: Callable[[grpc.Server], None], leave: Callable[[int], None] = os._exit) -> None:
    """Serve until the engine says SIGINT (so it ends its plugins), SIGTERM, or dies."""
    leave_with_parent(leave)
    server = grpc.server(futures.ThreadPoolExecutor(32), options=[("grpc.max_receive_message_length", MESSAGE_BYTES)])
    register(server)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: leave(0))
    os.write(1, f"{server.add_insecure_port('127.0.0.1:0')}\n".encode())
    server.start()
    server.wait_for_termination()
