"""A fresh process to its first durable command, Trimaran's way; `python -c "import bench.start.ours" FILE ID`."""

import sys

from bench.domain import app, enter
from providers.sqlite.events import SqliteEventStore
from runtime.flow.command import Commands

answer = Commands(app, SqliteEventStore(sys.argv[-2])).send(enter(sys.argv[-1], 1), "first")
sys.stdout.write(f"{answer.token}\n")
sys.stdout.flush()
