"""The shipped apps under a name of their own, so that tests on one broker and one database do not meet."""

import os

from apps import flights, shop
from runtime.domain import App
from tests.processes.domain import NAME

flying = App(os.environ.get(NAME, "flights"), parts=flights.app.parts)
selling = App(os.environ.get(NAME, "shop"), parts=shop.app.parts)


def twin(app: App, name: str) -> App:
    """The same parts under another name."""
    return App(name, parts=app.parts)
