"""Commands through the deployed gateway: `POST /commands` with a token, many at a time, sent again until they are answered.

It has the face of `runtime.flow.command.Commands`, so that the feed of the flights drives a deployed system as it drives a local one.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from hosts.remote_commands import RemoteCommands
from runtime.domain import App, Command
from runtime.errors import Conflict, Rejected, TrimaranError, Unavailable
from runtime.flow.command import Outcome, Sending
from runtime.ports import Answer

THREADS = 12
PATIENCE_S = 30.0  # for a gateway whose database is away
AGAIN_S = 0.2


class Through:
    """Sends through a gateway; `repeated` counts what had to be said again. Keys make that harmless."""

    def __init__(self, app: App, url: str, token: Callable[[], str]) -> None:
        self._remote = RemoteCommands(app, url, token)
        self._threads = ThreadPoolExecutor(THREADS, "sending")
        self._lock = threading.Lock()
        self.sent = self.repeated = 0

    def send_all(self, sendings: Sequence[Sending]) -> list[Outcome]:
        """The outcomes, in the order of the commands."""
        return list(self._threads.map(self._one, sendings))

    def send(self, command: Command, key: str = "") -> Answer:
        """One command. Raises what the command path raises."""
        outcome = self._one(Sending(command, key))
        if isinstance(outcome, TrimaranError):
            raise outcome
        return outcome

    def _one(self, sending: Sending) -> Outcome:
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = self._remote.send(sending.command, sending.key, "", "")
            except Unavailable:
                if time.monotonic() > until:
                    raise
                with self._lock:
                    self.repeated += 1
                time.sleep(AGAIN_S)
            except (Conflict, Rejected) as refused:
                return refused
            else:
                with self._lock:
                    self.sent += 1
                return answer

    def close(self) -> None:
        """Nothing more is sent."""
        self._threads.shutdown()
        self._remote.close()
