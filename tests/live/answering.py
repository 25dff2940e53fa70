"""An engine over memory (or another read store) with events folded on the spot, and the little vocabulary of its tests."""

import asyncio
from typing import Any

from apps import shop
from runtime.domain import App, Command
from runtime.domain.api import Identity
from runtime.flow.reading import Reading
from runtime.live.answers.engine import Engine
from runtime.live.limits import Limits
from runtime.live.plans import Plan
from runtime.live.requests import Request
from runtime.ports import Answer
from tests.flow.house import House

ANN = Identity("ann")
CLERK = Identity("carl", {"roles": ["clerk"]})
NOBODY = Identity()


class Answering:
    """A house with a gateway's engine in it; what was sent is folded when `fold` says so."""

    def __init__(self, app: App = shop.app, *, limits: Limits | None = None, production: bool = False) -> None:
        self.house = House(app)
        self.app = app
        self.traces: list[str] = []
        self.engine = Engine(app, Reading(app, self.house.rows), self.send, limits=limits or Limits(wait_s=0.2), production=production)

    def send(self, command: Command, key: str, tenant: str, trace: str) -> Answer:
        """As a host sends a command."""
        self.traces.append(trace)
        return self.house.commands.send(command, key, tenant, "", trace)

    def send_order(self, name: str, amount: int = 500) -> None:
        """Ann orders something."""
        self.data(PLACE, input=order(name, amount=amount))

    def fold(self) -> None:
        """Everything stored becomes rows."""
        self.house.fold()

    def ask(self, text: str, who: Identity = ANN, trace: str = "", **variables: Any) -> dict[str, Any]:
        """The response to a query or mutation."""
        prepared = self.engine.prepare(Request(text, variables=variables))
        return asyncio.run(self.engine.execute(prepared, who, trace))

    def data(self, text: str, who: Identity = ANN, **variables: Any) -> Any:
        """Its data; errors fail the test."""
        response = self.ask(text, who, **variables)
        assert "errors" not in response, response["errors"]
        return response["data"]

    def error(self, text: str, who: Identity = ANN, **variables: Any) -> dict[str, Any]:
        """Its one error."""
        errors: list[dict[str, Any]] = self.ask(text, who, **variables)["errors"]
        assert len(errors) == 1, errors
        return errors[0]

    def plan(self, text: str, who: Identity = ANN, **variables: Any) -> Plan:
        """The plan of a subscription."""
        found = asyncio.run(self.engine.subscribe(self.engine.prepare(Request(text, variables=variables)), who))
        assert isinstance(found, Plan)
        return found


def order(order: str, *, customer: str = "ann", amount: int = 500, sku: str = "tea", quantity: int = 1) -> dict[str, Any]:
    """The input of a placeOrder."""
    return {"order": order, "customer": customer, "sku": sku, "quantity": quantity, "amount": amount, "at": "2026-01-31T12:00:00Z"}


PLACE = "mutation ($input: PlaceOrderInput!, $key: String) { placeOrder(input: $input, key: $key) { token stream first last replayed } }"
