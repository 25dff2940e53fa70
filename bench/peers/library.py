"""The peer `eventsourcing` 9.5.6, used as its documentation shows: an Aggregate with @event, an Application that saves and gets.

Its defaults stay: SQLite with a write-ahead log and synchronous=FULL, PostgreSQL with its table lock.
Source: https://eventsourcing.readthedocs.io/en/stable/
"""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.sqlite import SQLiteDatastore, SQLiteTrackingRecorder

from bench.domain import TEXT


class Account(Aggregate):
    """The account of bench.domain, event-sourced their way."""

    @event("Opened")
    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.entries = 0
        self.total = 0
        self.last = ""

    @event("Entered")
    def enter(self, account: str, amount: int, text: str, day: str, booked_by: str, currency: str) -> None:
        """Book an amount."""
        self.entries += 1
        self.total += amount
        self.last = text


def book(account: Account, amount: int) -> None:
    """One entry with the same fields as ours."""
    account.enter(account=str(account.id), amount=amount, text=TEXT, day="2026-11-23", booked_by="clerk-17", currency="EUR")


class Ledger(Application[UUID]):
    """The application: create, load and save."""


def on_sqlite(path: Path) -> Ledger:
    """The application on a SQLite file."""
    return Ledger({"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)})


def on_postgres(url: str) -> Ledger:
    """The application on a PostgreSQL database, in the library's default mode."""
    parts = urlsplit(url)
    return Ledger(
        {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": parts.path.lstrip("/"),
            "POSTGRES_HOST": parts.hostname or "127.0.0.1",
            "POSTGRES_PORT": str(parts.port or 5432),
            "POSTGRES_USER": parts.username or "",
            "POSTGRES_PASSWORD": parts.password or "",
        }
    )


def opened(ledger: Ledger, entries: int) -> UUID:
    """A new saved account with so many entries (its opening is one event more)."""
    account = Account("someone")
    for amount in range(entries):
        book(account, amount)
    ledger.save(account)
    return account.id


def accounts(count: int, entries: int) -> list[Account]:
    """Accounts in hand with so many unsaved entries each."""
    made = [Account("someone") for _ in range(count)]
    for account in made:
        for amount in range(entries):
            book(account, amount)
    return made


def append(ledger: Ledger, account: Account, times: int) -> None:
    """Append one event at a time to an account in hand, each durable before the next."""
    for amount in range(times):
        book(account, amount)
        ledger.save(account)


def command(ledger: Ledger, id: UUID) -> None:
    """Load an account, decide, append one event."""
    account: Account = ledger.repository.get(id)
    book(account, 1)
    ledger.save(account)


def writers(ledger: Ledger, accounts: list[Account], times: int) -> None:
    """One thread per account, each appending its own events one at a time."""
    in_threads([lambda account=account: append(ledger, account, times) for account in accounts])  # type: ignore[misc]


def in_threads(works: list[Callable[[], object]]) -> None:
    """Do each work on its own thread; the first error of any is raised."""
    errors: list[BaseException] = []

    def guarded(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  raised again below, on the caller's thread
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


class BalanceView(SQLiteTrackingRecorder):
    """A materialised view as the library's documentation writes one: row and tracking position in one transaction per event."""

    def construct_create_table_statements(self) -> list[str]:
        """Its table beside the tracking table."""
        return [
            *super().construct_create_table_statements(),
            "create table if not exists balance (account text primary key, entries integer, total integer, last text)",
        ]

    def entered(self, event: Any, tracking: Tracking) -> None:
        """Add one entry."""
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(
                "insert into balance values (?, 1, ?, ?) on conflict (account) do update set "
                "entries = entries + 1, total = total + excluded.total, last = excluded.last",
                (str(event.originator_id), event.amount, event.text),
            )


def balance_view(path: Path) -> BalanceView:
    """The view on its own SQLite file."""
    view = BalanceView(SQLiteDatastore(str(path)))
    view.create_table()
    return view


def project(ledger: Ledger, view: BalanceView, limit: int) -> int:
    """Project the next `limit` entries, reading events in sections of 500; returns how many there were."""
    done = 0
    position = view.max_tracking_id(ledger.name) or 0
    while done < limit:
        section = ledger.recorder.select_notifications(position + 1, 500)
        if not section:
            break
        for notification in section:
            position = notification.id
            happened: Any = ledger.mapper.to_domain_event(notification)
            if not isinstance(happened, Account.Entered):  # type: ignore[attr-defined]
                continue  # an opening changes no row; not even tracking it is in the library's favour
            view.entered(happened, Tracking(ledger.name, position))
            done += 1
            if done == limit:
                break
    return done
