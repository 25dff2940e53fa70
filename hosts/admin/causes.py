"""Who caused what: GET /admin/chain, an event with what led to it and all that came of it.

Upwards every event names its cause. Downwards nothing does, and no index over all streams is kept for it: only sagas cause, so the effects
of an event are looked for where its sagas could have sent commands. Those are the event's own stream and, of every kind, the stream of every
value that some event of the chain holds. A short stream is read whole; of a long one (a product's stock has 100,000 events) only the
idempotency keys `saga:stream@version:n` are asked for, n up to `KEYS`. What a saga sends to a stream that no event names is not found.

An event tells its saga, not its command. But the store keeps a digest of the command beside the key: a command that is made of the fields
of the event and its cause, and has that digest, is the one. So `compensates` is proven where it is true.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct, structs

from hosts.admin import Admin, NotFound
from hosts.admin.streams import LAST, asked_for, number, saga_of
from hosts.http import known
from runtime.domain import App
from runtime.domain.folds import SagaFold
from runtime.domain.messages import tag_of
from runtime.errors import Malformed, Rejected
from runtime.flow.command import digest_of
from runtime.ports import EventStore, Recorded

NODES, STREAMS = 200, 200  # of one answer, and looked at for it
UP = 100  # causes of causes
SHORT = 500  # events of a stream that is read whole
KEYS = 8  # commands of one saga to one event that are looked for in a long stream
VALUES = 40  # of one event


class Found(Struct):
    """An event of the chain, what sent it, and what the command was, if that is known."""

    event: Recorded
    saga: str | None
    command: type[Any] | None = None

    @property
    def id(self) -> str:
        """As causes name it."""
        return id_of(self.event)


def chain(admin: Admin, asked: Mapping[str, str]) -> object:
    """The chain of one event. Raises `NotFound`. `cut` tells that there is, or may be, more."""
    known(asked, ("name", "version"))
    name, version = asked_for(asked, "name"), number(asked, "version", 1, 1, LAST)
    store = admin.local.events.store
    found = store.read(name, version - 1, 1)
    if not found or found[0].version != version:
        raise NotFound(f"there is no event {name}@{version} in {admin.app.name!r}")
    root, cut = _root(store, found[0])
    search = _Search(admin.app, store)
    search.cut = cut
    search.run(root)
    compensating = {fold.part.name: fold.part.compensates for fold in search.sagas}
    return {
        "root": id_of(root),
        "nodes": [
            {
                "id": one.id,
                "stream": one.event.stream,
                "version": one.event.version,
                "type": one.event.type,
                "time": one.event.time,
                "saga": one.saga,
                "command": None if one.command is None else tag_of(one.command),
                "compensates": one.command is not None and one.command in compensating.get(one.saga or "", ()),
            }
            for one in search.nodes.values()
        ],
        "edges": [
            {"from": one.event.cause, "to": one.id, "saga": one.saga} for one in search.nodes.values() if one.event.cause in search.nodes
        ],
        "cut": search.cut,
    }


def id_of(event: Recorded) -> str:
    """`stream@version`."""
    return f"{event.stream}@{event.version}"


def _root(store: EventStore, event: Recorded) -> tuple[Recorded, bool]:
    """Up to what nothing caused; whether the way up was too long, or goes in a circle, or leads to what is not there."""
    seen = {id_of(event)}
    for _ in range(UP):
        stream, at, version = event.cause.rpartition("@")
        if not at or not stream or not version.isdigit():
            return event, False
        above = store.read(stream, int(version) - 1, 1) if 0 < int(version) < LAST else []
        if not above or id_of(above[0]) != event.cause or event.cause in seen:
            return event, True
        event = above[0]
        seen.add(id_of(event))
    return event, True


class _Search:
    """Down from a root, over streams that are looked at once each."""

    def __init__(self, app: App, store: EventStore) -> None:
        self._app, self._store = app, store
        self.sagas = [fold for fold in app.folds.values() if isinstance(fold, SagaFold)]
        self.nodes: dict[str, Found] = {}
        self.cut = False
        self._effects: dict[str, list[Recorded]] = {}  # of short streams, by cause
        self._seen: set[str] = set()
        self._long: dict[str, int] = {}  # streams of which only keys are asked for, and where they stand
        self._waiting: deque[Recorded] = deque()

    def run(self, root: Recorded) -> None:
        """Breadth first, and once more wherever a stream comes into sight later than an event that it answers to."""
        self._waiting.append(root)
        while self._waiting:
            event = self._waiting.popleft()
            if id_of(event) in self.nodes:
                continue
            if len(self.nodes) >= NODES:
                self.cut = True
                return
            self._add(event)

    def _add(self, event: Recorded) -> None:
        node = Found(event, saga_of(event))
        self.nodes[node.id] = node
        above = self.nodes.get(event.cause)
        if node.saga is not None and above is not None:
            node.command = self._command(event, above.event)
        earlier = dict(self._long)
        for stream in self._candidates(event):
            self._look_at(stream)
        self._waiting.extend(self._effects.pop(node.id, ()))
        for stream, version in self._long.items():
            for cause in [node.event] if stream in earlier else [one.event for one in self.nodes.values()]:
                self._waiting.extend(self._by_keys(stream, version, cause))

    def _candidates(self, event: Recorded) -> Iterator[str]:
        """Where commands that this event led to may have gone."""
        yield event.stream
        tenant = self._app.tenant_of(event.stream)
        for value in _values(event.data):
            for kind in self._app.plans:
                try:
                    yield self._app.stream(kind, value, tenant)
                except Malformed:
                    continue

    def _look_at(self, stream: str) -> None:
        if stream in self._seen:
            return
        if len(self._seen) >= STREAMS:
            self.cut = True
            return
        self._seen.add(stream)
        try:
            events = self._store.read(stream, 0, SHORT + 1)
        except Rejected:  # no stream can be called like that
            return
        if len(events) > SHORT:
            self._long[stream] = self._store.load(stream, "", LAST).version
            return
        for event in events:
            if event.cause in self.nodes:
                self._waiting.append(event)
            elif event.cause:
                self._effects.setdefault(event.cause, []).append(event)

    def _by_keys(self, stream: str, version: int, cause: Recorded) -> Iterator[Recorded]:
        for fold in self.sagas:
            if cause.type not in fold.handles and cause.type not in self._app.events.upcasts:
                continue
            for n in range(1, KEYS + 1):
                answer = self._store.load(stream, f"{fold.part.name}:{id_of(cause)}:{n}", version).answer
                if answer is not None and answer.last > answer.first:
                    yield from self._store.read(stream, answer.first, answer.last - answer.first)

    def _command(self, effect: Recorded, cause: Recorded) -> type[Any] | None:
        """The command whose bytes have the digest that is kept beside its key."""
        plan = self._app.plans.get(self._app.category_of(effect.stream))
        kept = self._store.load(effect.stream, effect.key, LAST)
        if plan is None or kept.answer is None:
            return None
        told, why = self._fields(effect), self._fields(cause)
        for command in plan.commands:
            for fields in (why | told, told | why):
                if digest_of(_written(self._app, command, fields)) == kept.digest:
                    return command
        return None

    def _fields(self, event: Recorded) -> dict[str, Any]:
        """Of the event as it is today."""
        try:
            return {name: value for part in self._app.events.decode(event.type, event.data) for name, value in structs.asdict(part).items()}
        except Malformed:
            return {}


def _written(app: App, command: type[Any], fields: dict[str, Any]) -> bytes:
    """A command made of fields of the same names, as it is sent; b"" when they do not make one."""
    given = {name: fields[name] for name in command.__struct_fields__ if name in fields}
    try:
        return app.encode(app.commands.decode(app.encode(command(**given))))
    except (TypeError, Malformed):
        return b""


def _values(data: bytes) -> list[str]:
    """The texts and whole numbers that a stored event holds, each once; they may be ids."""
    found: dict[str, None] = {}
    waiting: list[Any] = [msgspec.json.decode(data)]
    while waiting and len(found) < VALUES:
        value = waiting.pop(0)
        if isinstance(value, dict):
            waiting += [item for name, item in value.items() if name != "type"]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str | int) and not isinstance(value, bool):
            found[str(value)] = None
    return list(found)
