"""The benchmarks' accounts under a name of their own, so that each turn has its own topics, groups and tables on shared servers."""

import os

from bench.domain import accounts, balances
from runtime.domain import App

NAME = "TRIMARAN_BENCH_NAME"
DEFAULT = "ledger"


def named(name: str) -> App:
    """The app under this name."""
    return App(name, parts=(accounts, balances))


app = named(os.environ.get(NAME, DEFAULT))
