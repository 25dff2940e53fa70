"""Several statements in one round trip that PostgreSQL gets as a whole: whoever is stopped half-way has asked for nothing.

psycopg sends each statement of a pipeline as it comes, the sync last. PostgreSQL counts `idle_in_transaction_session_timeout` only from the
sync on: a process that was stopped in between kept the locks of what it had sent until it went on.
"""

from typing import override

import psycopg
from psycopg.abc import PQGen
from psycopg.generators import send


class Pipeline(psycopg.Pipeline):
    """Keeps its statements until it ends, then sends them with the sync, all of them, and takes the answers.

    libpq sends by itself what is beyond 64 KiB, but no flush request follows the sync, as psycopg's would: it switches the server's idle
    timer off. And nobody waits for an answer before everything has left: the server would wait for the rest.
    """

    @override
    def _communicate_gen(self) -> PQGen[None]:
        yield from ()

    @override
    def _exit_gen(self) -> PQGen[None]:
        try:
            self._enqueue_sync()
            while self.command_queue:
                self.command_queue.popleft()()
            yield from send(self.pgconn)
        finally:
            yield from self._fetch_gen(flush=False)
