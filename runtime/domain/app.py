"""The application: its parts, what it shows, and what follows from them (streams, groups, tables).

Whatever cannot work is refused here, when the app is built, with the part, the field and the way out.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from runtime.domain.api import Exposed, Sendable
from runtime.domain.codec import CommandCodec, EventCodec, StreamCodec, encode
from runtime.domain.folds import Fold, SagaFold, folds_of
from runtime.domain.messages import Command, Event, check_fields, messages_of, tag_of
from runtime.domain.parts import Decider, Part
from runtime.domain.stamp import stamp
from runtime.domain.tables import Group
from runtime.domain.upcasts import Upcast
from runtime.errors import Malformed, Misconfigured


class Plan:
    """A decider compiled: which commands and events are its own, and how its streams are named and folded."""

    __slots__ = ("_app", "codec", "commands", "decider", "events", "stamp")

    def __init__(self, decider: Decider[Any, Any, Any], app: "App") -> None:
        self.decider = decider
        self._app = app
        self.commands = messages_of(decider.decide, 0, Command)
        self.events = messages_of(decider.evolve, 1, Event)
        for message in (*self.commands, *self.events):
            check_fields(message, (decider.id_field,), f"decider {decider.name!r}")

    def stream(self, message: Any, tenant: str = "") -> str:
        """The stream of a command or event: `category-id`, with `tenant/` before it where the app has tenants."""
        return self._app.stream(self.decider.name, str(getattr(message, self.decider.id_field)), tenant)

    def fold(self, state: Any, data: list[bytes]) -> Any:
        """The state after these stored events."""
        evolve = self.decider.evolve
        for event in self._app.stream_codec(self.decider.name).decode(data):
            state = evolve(state, event)
        return state


class App:
    """`App("shop", parts=(...), api=(...), tenant=None, upcasts=(), fields=None, schema=None)`.

    `tenant` names the claim that separates tenants: it prefixes every stream and filters every row. `fields` names a module with
    GraphQL fields of one's own, `schema` a whole schema ("module:schema"); only the gateway resolves them.
    """

    def __init__(
        self,
        name: str,
        *,
        parts: Sequence[Part],
        api: Sequence[Exposed | Sendable] = (),
        tenant: str | None = None,
        upcasts: Sequence[Upcast] = (),
        fields: str | None = None,
        schema: str | None = None,
    ) -> None:
        if not (name.isidentifier() and name.islower() and len(name) <= 40):
            raise Misconfigured(f"App({name!r}): the name is a lower-case identifier of at most 40 characters")
        self.name, self.parts, self.api, self.tenant = name, tuple(parts), tuple(api), tenant
        self.upcasts, self.fields, self.schema = tuple(upcasts), fields, schema
        self.plans = {part.name: Plan(part, self) for part in self.parts if isinstance(part, Decider)}
        self._check_names()
        self._plan_of = self._one_plan_per_message()
        self.events = EventCodec([event for plan in self.plans.values() for event in plan.events], self.upcasts)
        self.commands = CommandCodec([command for plan in self.plans.values() for command in plan.commands])
        self._stream_codecs: dict[str, StreamCodec] = {}

    def _check_names(self) -> None:
        seen: set[str] = set()
        for part in self.parts:
            if not (part.name.isidentifier() and part.name.islower() and len(part.name) <= 40):
                raise Misconfigured(f"part {part.name!r}: the name is a lower-case identifier of at most 40 characters")
            if part.name in seen:
                raise Misconfigured(f"part {part.name!r} is there twice: part names are unique in an app")
            seen.add(part.name)

    def _one_plan_per_message(self) -> dict[type[Any], Plan]:
        owners: dict[type[Any], Plan] = {}
        tags: dict[str, type[Any]] = {}
        for plan in self.plans.values():
            for message in (*plan.commands, *plan.events):
                if message in owners:
                    raise Misconfigured(
                        f"{message.__name__} belongs to {owners[message].decider.name!r} and {plan.decider.name!r}: one only"
                    )
                if tags.setdefault(tag_of(message), message) is not message:
                    raise Misconfigured(f"two message classes share the tag {tag_of(message)!r}")
                owners[message] = plan
        return owners

    # streams
    def stream(self, category: str, id: str, tenant: str = "") -> str:
        """`category-id`, or `tenant/category-id`; `Malformed` for an empty id or a tenant that is missing or not wanted."""
        if not id:
            raise Malformed(f"the id of {category!r} is empty")
        if self.tenant is None:
            if tenant:
                raise Malformed(f"app {self.name!r} has no tenants, got {tenant!r}")
            return f"{category}-{id}"
        if not tenant or "/" in tenant:
            raise Malformed(f"app {self.name!r} needs a tenant (claim {self.tenant!r}) without '/', got {tenant!r}")
        return f"{tenant}/{category}-{id}"

    def tenant_of(self, stream: str) -> str:
        """The tenant that a stream belongs to, "" where the app has none."""
        return "" if self.tenant is None else stream.partition("/")[0]

    def category_of(self, stream: str) -> str:
        """The category that a stream belongs to."""
        return (stream if self.tenant is None else stream.partition("/")[2]).partition("-")[0]

    def plan_of(self, message: type[Any]) -> Plan:
        """The decider that a command or event class belongs to."""
        try:
            return self._plan_of[message]
        except KeyError:
            raise Malformed(f"{message.__name__} is no message of app {self.name!r}") from None

    def stream_codec(self, category: str) -> StreamCodec:
        """Decodes whole streams of a category."""
        codec = self._stream_codecs.get(category)
        if codec is None:
            codec = self._stream_codecs[category] = StreamCodec(self.plans[category].events, self.events)
        return codec

    def encode(self, message: Command | Event) -> bytes:
        """A message as tagged JSON."""
        return encode(message)

    # what follows from the parts; a command function never asks
    @cached_property
    def folds(self) -> dict[str, Fold]:
        """The compiled folds by part name; refuses parts that cannot work."""
        folds = {fold.part.name: fold for fold in folds_of(self.parts)}
        for fold in folds.values():
            self._check_fold(fold)
        return folds

    def _check_fold(self, fold: Fold) -> None:
        plans = {id(self.plan_of(event)): self.plan_of(event) for event in fold.types}
        several = len(plans) > 1 or any(fold.key_fields != (plan.decider.id_field,) for plan in plans.values())
        if several and not fold.many:
            raise Misconfigured(f"{fold.part.name!r} is fed by several streams: say many=True, and let check shuffle the interleavings")
        if isinstance(fold, SagaFold):
            return
        if fold.part.group in self.plans or not fold.part.group.isidentifier():
            raise Misconfigured(f"{fold.part.name!r}: group {fold.part.group!r} is not a free lower-case identifier")

    @cached_property
    def groups(self) -> dict[str, Group]:
        """The groups: rows and aggregations by their `group`, each saga its own; with a hash of their tables and folds."""
        members: dict[str, list[Fold]] = {}
        for fold in self.folds.values():
            name = fold.part.name if isinstance(fold, SagaFold) else fold.part.group
            members.setdefault(name, []).append(fold)
        groups = {}
        for name, folds in members.items():
            if len(folds) > 1 and any(isinstance(fold, SagaFold) for fold in folds):
                raise Misconfigured(f"group {name!r} is the name of a saga: a saga is a group of its own")
            schema = stamp(*(item for fold in folds for item in (fold.table, fold.part)), *self.upcasts)
            groups[name] = Group(name, tuple(fold.table for fold in folds), schema, isinstance(folds[0], SagaFold))
        return groups

    def folds_of(self, group: str) -> list[Fold]:
        """The folds of a group, in table order."""
        return [self.folds[table.part] for table in self.groups[group].tables]
