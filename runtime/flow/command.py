"""The command path: load, decide, append; a command takes effect once (law 3).

    load stream and key ──▶ kept answer? ──yes──▶ same bytes: that answer · other bytes: KeyReused
           ▲                    │ no
           │                 decide ──▶ append at the expected version ──▶ answer
           └── Conflict (bounded) ◀──────────────┘   Unavailable: the same key again, until the deadline

A lost acknowledgement is recovered, never guessed: the retry carries the same key and finds what the first try stored.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from runtime.domain.app import App, Plan
from runtime.domain.messages import Command, tag_of
from runtime.errors import Conflict, KeyReused, Misconfigured, Rejected, Unavailable
from runtime.flow.telemetry import SILENT, Telemetry
from runtime.flow.world import WORLD, World, backoff
from runtime.ports import Answer, Append, EventStore, Loaded, New, Snapshot, Snapshots
from runtime.steps import Request, Steps, ask, run

CONFLICTS = 12  # tries against other writers of one stream before the caller hears of it
DEADLINE_S = 10.0  # for a store that does not answer


class Sending(Struct, frozen=True):
    """A command on its way: `key` is the caller's idempotency key ("": a fresh one, which still makes our own retries safe)."""

    command: Command
    key: str = ""
    tenant: str = ""
    cause: str = ""
    trace: str = ""


type Outcome = Answer | Conflict | Rejected | Unavailable


class Commands:
    """The command functions of an app over an event store."""

    __slots__ = ("_app", "_snapshots", "_store", "_telemetry", "_world", "deadline_s")

    def __init__(
        self, app: App, store: EventStore, snapshots: Snapshots | None = None, world: World = WORLD, telemetry: Telemetry = SILENT
    ) -> None:
        self._app, self._store, self._snapshots, self._world, self._telemetry = app, store, snapshots, world, telemetry
        self.deadline_s = DEADLINE_S

    def send(self, command: Command, key: str = "", tenant: str = "", cause: str = "", trace: str = "") -> Answer:
        """Carry out one command. Raises `Rejected`, `Conflict` (after bounded tries) or `Unavailable` (after the deadline)."""
        return run(self.handle(Sending(command, key, tenant, cause, trace)))

    def send_all(self, sendings: Sequence[Sending]) -> list[Outcome]:
        """Carry out commands of different streams with one durable write for all; each fails or succeeds alone."""
        return run(self.handle_all(sendings))

    def handle(self, sending: Sending) -> Steps[Answer]:
        """The core of one command."""
        span = self._telemetry.begin(f"command {type(sending.command).__name__}", sending.trace)
        if span is None:
            return (yield from self._handle(sending, sending.trace, None))
        try:
            answer = yield from self._handle(sending, self._telemetry.carry(span, sending.trace), span)
        except Exception as error:
            self._telemetry.end(span, error)
            raise
        self._telemetry.end(span, None, answer)
        self._telemetry.count("commands", 1, type=type(sending.command).__name__)
        return answer

    def _handle(self, sending: Sending, trace: str, span: Any) -> Steps[Answer]:
        plan = self._app.plan_of(type(sending.command))
        stream = plan.stream(sending.command, sending.tenant)
        key = sending.key or self._world.token()
        digest = digest_of(self._app.encode(sending.command))
        conflicts = tries = 0
        deadline = self._world.monotonic() + self.deadline_s
        while True:
            try:
                loaded, snapshot = yield from self._load(plan, stream, key)
                if loaded.answer is not None:
                    return self._kept(loaded, digest, key)
                state, events = self._decide(plan, sending.command, loaded, snapshot)
                append = Append(stream, loaded.version, events, key, digest, sending.cause, trace, self._world.now().isoformat())
                started = 0 if span is None else self._telemetry.started()
                answer = yield from ask(self._store.append, append)
            except Conflict:
                conflicts += 1
                if conflicts >= CONFLICTS:
                    raise
                if conflicts > 1:
                    yield from ask(self._world.sleep, backoff(conflicts, self._world, first_s=0.001, most_s=0.1))
            except Unavailable:
                wait = backoff(tries, self._world)
                if self._world.monotonic() + wait > deadline:
                    raise
                tries += 1
                yield from ask(self._world.sleep, wait)
            else:
                if span is not None:
                    self._telemetry.step(span, "append", started)
                yield from self._keep_snapshot(plan, state, events, answer)
                return answer

    def handle_all(self, sendings: Sequence[Sending]) -> Steps[list[Outcome]]:
        """Many cores in lock step: whatever they append in one round becomes one durable write."""
        cores = [self.handle(sending) for sending in sendings]
        results: list[Any] = [None] * len(cores)
        replies: dict[int, Any] = dict.fromkeys(range(len(cores)))
        while replies:
            waiting: dict[int, Append] = {}
            for position, reply in replies.items():
                append = yield from self._until_append(cores[position], reply, results, position)
                if append is not None:
                    waiting[position] = append
            if not waiting:
                break
            answers: Sequence[Outcome]
            try:
                answers = yield from ask(self._store.append_all, list(waiting.values()))
            except Unavailable as error:
                answers = [error] * len(waiting)
            replies = dict(zip(waiting, answers, strict=True))
        return results

    def _until_append(self, core: Steps[Answer], reply: Any, results: list[Any], position: int) -> Steps[Append | None]:
        """Drive one core until it appends (its append is returned) or ends (its result is noted)."""
        try:
            request: Request = core.throw(reply) if isinstance(reply, Exception) else core.send(reply)
            while request.call != self._store.append:
                try:
                    reply = yield request
                except (Rejected, Conflict, Unavailable) as error:
                    request = core.throw(error)
                else:
                    request = core.send(reply)
        except StopIteration as stop:
            results[position] = stop.value
            return None
        except (Rejected, Conflict, Unavailable) as error:
            results[position] = error
            return None
        append: Append = request.args[0]
        return append

    def _load(self, plan: Plan, stream: str, key: str) -> Steps[tuple[Loaded, Snapshot | None]]:
        snapshot = None
        if plan.decider.snapshot_every and self._snapshots is not None:
            snapshot = yield from ask(self._snapshots.newest, stream, plan.stamp)
        loaded = yield from ask(self._store.load, stream, key, snapshot.version if snapshot else 0)
        return loaded, snapshot

    def _kept(self, loaded: Loaded, digest: bytes, key: str) -> Answer:
        assert loaded.answer is not None
        if loaded.digest != digest:
            raise KeyReused(loaded.answer.stream, key)
        return loaded.answer

    def _decide(self, plan: Plan, command: Command, loaded: Loaded, snapshot: Snapshot | None) -> tuple[Any, tuple[New, ...]]:
        decider = plan.decider
        state = plan.decode_state(snapshot.state) if snapshot else decider.initial
        if loaded.data:
            state = plan.fold(state, loaded.data)
        own = getattr(command, decider.id_field)
        events = []
        for event in decider.decide(command, state):
            if getattr(event, decider.id_field) != own:
                raise Misconfigured(f"{decider.name!r} answered {type(command).__name__} with an event of another stream: {event!r}")
            events.append(New(tag_of(type(event)), self._app.encode(event)))
        return state, tuple(events)

    def _keep_snapshot(self, plan: Plan, state: Any, events: tuple[New, ...], answer: Answer) -> Steps[None]:
        every = plan.decider.snapshot_every
        if not every or self._snapshots is None or answer.first // every == answer.last // every:
            return
        state = plan.fold(state, [event.data for event in events])
        snapshot = Snapshot(answer.last, plan.stamp, plan.encode_state(state))
        try:
            yield from ask(self._snapshots.keep, answer.stream, snapshot)
        except Unavailable:
            return  # a lost snapshot costs time, never truth


def digest_of(body: bytes) -> bytes:
    """Sixteen bytes that stand for a command's bytes."""
    from hashlib import blake2b

    return blake2b(body, digest_size=16).digest()
