"""The small domain that every benchmark line and every peer works on: an account with entries of about 250 bytes.

One event class, one row per account, so that what is measured is the road and not the domain.
"""

from collections.abc import Iterator
from datetime import date
from typing import final

from msgspec import Struct
from msgspec.structs import replace

from runtime.domain.app import App
from runtime.domain.messages import Command, Event
from runtime.domain.parts import Decider, Projection

TEXT = "paid at the counter, receipt to follow by mail; booked by the evening shift, checked the next morning by two"


@final
class Enter(Command):
    """Book an amount."""

    account: str
    amount: int
    text: str
    day: date


@final
class Entered(Event):
    """An amount was booked: about 250 bytes of JSON."""

    account: str
    amount: int
    text: str
    day: date
    booked_by: str = "clerk-17"
    currency: str = "EUR"


class Account(Struct, frozen=True):
    """What deciding needs, and what the row shows."""

    account: str = ""
    entries: int = 0
    total: int = 0
    last: str = ""


def decide(command: Enter, account: Account) -> Iterator[Entered]:
    """Every entry is booked."""
    yield Entered(command.account, command.amount, command.text, command.day)


def evolve(account: Account, event: Entered) -> Account:
    """Count and sum."""
    return Account(event.account, account.entries + 1, account.total + event.amount, event.text)


def show(row: Account | None, event: Entered) -> Account:
    """The row is the state."""
    if row is None:
        return Account(event.account, 1, event.amount, event.text)
    return replace(row, entries=row.entries + 1, total=row.total + event.amount, last=event.text)


accounts = Decider("account", Account(), decide, evolve)
balances = Projection("balance", key="account", row=Account, evolve=show)
app = App("ledger", parts=(accounts, balances))

DAY = date(2026, 11, 23)


def enter(account: str, amount: int) -> Enter:
    """A command as every line sends it."""
    return Enter(account, amount, TEXT, DAY)


def entered(account: str, amount: int) -> Entered:
    """An event as every line stores it."""
    return Entered(account, amount, TEXT, DAY)
