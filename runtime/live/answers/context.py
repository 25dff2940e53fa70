"""What resolvers work with: who asks, and reading and sending in the caller's name. Fields of one's own get it as `info.context`.

Port calls block, so they run on threads; a wait for one's own writes holds none.
"""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
from msgspec import Struct

from runtime.domain.api import Identity
from runtime.domain.app import App
from runtime.domain.filters import EVERYTHING, Filter, Order, Query
from runtime.domain.messages import Command
from runtime.domain.tables import Kind, Table, Value
from runtime.errors import Misconfigured, Unavailable
from runtime.flow.reading import Reading
from runtime.live.callers.rights import may_send, rows_of, tenant_of
from runtime.live.callers.waits import Waits
from runtime.live.limits import Limits
from runtime.live.schema.inputs import both, own_token
from runtime.live.schema.views import View
from runtime.ports import Answer, Page
from runtime.steps import Request, Steps

type Sender = Callable[[Command, str, str, str], Answer]
"""command, key, tenant, trace -> what the append did; blocks."""

type Rows = list[dict[str, Any]]

READS, SENDS = 8, 16  # threads; commands wait for a durable write together, so more of them make fewer writes


class Threads:
    """Where blocking calls run."""

    def __init__(self) -> None:
        self._reads = ThreadPoolExecutor(READS, "gateway-read")
        self._sends = ThreadPoolExecutor(SENDS, "gateway-send")

    async def drive[T](self, steps: Steps[T]) -> T:
        """Drive a core to its end; it sleeps on the loop, everything else is done on a thread."""
        while True:
            sleep, result = await self._on(self._reads, _until_sleep, steps)
            if sleep is None:
                found: T = result
                return found
            await asyncio.sleep(*sleep.args)

    async def send(self, sender: Sender, *arguments: Any) -> Answer:
        """Send a command."""
        answer: Answer = await self._on(self._sends, sender, *arguments)
        return answer

    async def _on(self, pool: ThreadPoolExecutor, call: Callable[..., Any], *arguments: Any) -> Any:
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(pool, context.run, call, *arguments)

    def close(self) -> None:
        """Let the threads end."""
        self._reads.shutdown(wait=False, cancel_futures=True)
        self._sends.shutdown(wait=False, cancel_futures=True)


def _until_sleep(steps: Steps[Any]) -> tuple[Request | None, Any]:
    """Perform requests until the core wants to sleep (that request) or is done (None and its result)."""
    try:
        request = next(steps)
        while request.name != "sleep":
            try:
                reply = request.perform()
            except Exception as error:  # noqa: BLE001  handed to the core, which decides
                request = steps.throw(error)
            else:
                request = steps.send(reply)
    except StopIteration as stop:
        return None, stop.value
    return request, None


class Site(Struct, frozen=True):
    """What every operation of one engine shares."""

    app: App
    reading: Reading
    sender: Sender | None
    limits: Limits
    threads: Threads
    views: dict[str, View]  # by part
    waits: Waits


class Notes(Struct):
    """Response paths whose rows may be older than was asked for."""

    stale: list[list[str | int]] = []
    parked: list[list[str | int]] = []


class Context:
    """One operation: `identity`, `trace`, `app`, and reading and sending with the caller's rights."""

    __slots__ = ("_site", "identity", "memo", "notes", "trace")

    def __init__(self, site: Site, identity: Identity, trace: str, memo: dict[Any, Any] | None = None) -> None:
        self._site, self.identity, self.trace, self.notes = site, identity, trace, Notes()
        self.memo: dict[Any, Any] = {} if memo is None else memo  # what was compiled for this document

    @property
    def app(self) -> App:
        """The app."""
        return self._site.app

    @property
    def reading(self) -> Reading:
        """Reads without any rights; its cores are run by `runtime.steps.run`, which blocks."""
        return self._site.reading

    @property
    def limits(self) -> Limits:
        """The gateway's bounds."""
        return self._site.limits

    @property
    def tenant(self) -> str:
        """The caller's tenant, "" where the app has none; refused without its claim."""
        return tenant_of(self._site.app, self.identity)

    async def get(self, part: str, *key: Any, after: str = "") -> dict[str, Any] | None:
        """A row by its key, as `{column: value}`; None when it is not there, or not for this caller."""
        from runtime.domain.folds import key_text

        stored = self.stored(key_text(key))
        await self.wait(part, stored, after)
        rows, _ = await self.page(self.view(part), Query(first=1, key=stored))
        return rows[0] if rows else None

    async def query(
        self, part: str, where: Filter = EVERYTHING, order: tuple[Order, ...] = (), first: int = 100, cursor: str = ""
    ) -> tuple[Rows, str]:
        """Rows that this caller may see, and the cursor after the last ("" = there are no more)."""
        rows, page = await self.page(self.view(part), Query(where, order, first, cursor))
        return rows, page.cursor

    async def send(self, command: Command, key: str = "") -> Answer:
        """Send a command in the caller's name; refused as everywhere unless `api` lets the caller send it."""
        tenant = may_send(self._site.app, command, self.identity)
        if self._site.sender is None:
            raise Unavailable("this gateway has no way to send commands: start it with an event store, or with TRIMARAN_COMMANDS")
        return await self._site.threads.send(self._site.sender, command, key, tenant, self.trace)

    # for the generated fields
    def view(self, part: str) -> View:
        """An exposed part; only those are read in a caller's name."""
        view = self._site.views.get(part)
        if view is None:
            raise Misconfigured(f"part {part!r} is not exposed by app {self._site.app.name!r}: add expose({part}, allow=…) to its api")
        return view

    def stored(self, key: str) -> str:
        """A row's key as the store has it: with the tenant before it where there are tenants."""
        return key if self._site.app.tenant is None else f"{self.tenant}/{key}"

    async def page(self, view: View, query: Query) -> tuple[Rows, Page]:
        """A page of what the caller may see: rights and tenant are part of the query."""
        allowed = msgspec.structs.replace(query, where=both(query.where, rows_of(view, self.identity)), tenant=self.tenant)
        _, page = await self._site.threads.drive(self._site.reading.query(view.part, allowed))
        return [as_row(view.table, row.values or ()) for _, row in page.rows], page

    async def wait(self, part: str, stored: str, token: str) -> tuple[bool, bool]:
        """Wait, bounded, until a token was folded into a part; (stale, parked) when it was not."""
        if not token:
            return False, False
        tenant = self.tenant
        key = stored if self._site.app.tenant is None else stored.removeprefix(f"{tenant}/")
        own = own_token(self._site.app, tenant, token)
        with self._site.waits.place() as waits:
            wait_s = self._site.limits.wait_s if waits else 0.0
            read = await self._site.threads.drive(self._site.reading.get(part, key, tenant=tenant, after=own, wait_s=wait_s))
        return read.stale, read.parked


def as_row(table: Table, values: tuple[Value, ...]) -> dict[str, Any]:
    """Stored values by column name, JSON columns decoded."""
    return {
        column.name: msgspec.json.decode(value) if column.kind is Kind.JSON and isinstance(value, str) else value
        for column, value in zip(table.columns, values, strict=True)
    }
