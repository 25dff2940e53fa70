"""The application: its parts, what it shows, and what follows from them (streams, groups, tables).

Whatever cannot work is refused here, when the app is built, with the part, the field and the way out.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from runtime.domain.api import Exposed, Sendable
from runtime.domain.codec import CommandCodec, EventCodec, StreamCodec, encode
from runtime.domain.messages import Command, Event, tag_of
from runtime.domain.parts import Decider, Part, Saga
from runtime.domain.plans import Plan as Plan
from runtime.domain.tables import Group
from runtime.domain.upcasts import Upcast
from runtime.errors import Malformed, Misconfigured

if TYPE_CHECKING:  # a command function never folds rows
    from runtime.domain.folds import Fold


class App:
    """`App("shop", parts=(...), api=(...), tenant=None, upcasts=(), fields=None, schema=None, looks=None)`.

    `tenant` names the claim that separates tenants: it prefixes every stream and filters every row. `fields` names a module with
    GraphQL fields of one's own, `schema` a whole schema ("module:schema"); only the gateway resolves them. An app without parts may
    hold the schema object itself. `looks` names a module with its boards and charts (runtime.domain.looks), for a page that shows them.
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
        schema: str | object | None = None,
        looks: str | None = None,
    ) -> None:
        if not (name.isidentifier() and name.islower() and len(name) <= 40):
            raise Misconfigured(f"App({name!r}): the name is a lower-case identifier of at most 40 characters")
        self.name, self.parts, self.api, self.tenant = name, tuple(parts), tuple(api), tenant
        self.upcasts, self.fields, self.schema, self.looks = tuple(upcasts), fields, schema, looks
        self._check_names()
        self.plans = {part.name: Plan(part, self) for part in self.parts if isinstance(part, Decider)}
        self._plan_of = self._one_plan_per_message()
        self.events = EventCodec([event for plan in self.plans.values() for event in plan.events], self.upcasts)
        self.commands = CommandCodec([command for plan in self.plans.values() for command in plan.commands])
        self._stream_codecs: dict[str, StreamCodec] = {}
        self._check_api()

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

    def _check_api(self) -> None:
        seen: list[object] = []
        for shown in self.api:
            named = shown.command if isinstance(shown, Sendable) else shown.part
            if any(named is other for other in seen):
                name = shown.command.__name__ if isinstance(shown, Sendable) else repr(shown.part.name)
                raise Misconfigured(f"app {self.name!r}: {name} is in api twice: one allow= decides, write both rules in it")
            seen.append(named)
            if isinstance(shown, Sendable):
                if shown.command not in self._plan_of:
                    raise Misconfigured(f"send({shown.command.__name__}): no decider of app {self.name!r} takes it")
            elif not any(shown.part is part for part in self.parts):
                raise Misconfigured(f"expose({shown.part.name!r}): the part is not among the parts of app {self.name!r}")
        if isinstance(self.schema, str):
            if not all(self.schema.partition(":")):
                raise Misconfigured(f"App(schema={self.schema!r}): say 'module:name'")
        elif self.schema is not None and self.parts:
            raise Misconfigured(f"app {self.name!r} has parts, which run where no GraphQL is: say schema='module:name', not the object")
        if self.schema is not None and self.fields is not None:
            raise Misconfigured(f"app {self.name!r} has fields= and schema=: put those fields into the schema, or leave the schema out")

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
            codec = self._stream_codecs[category] = StreamCodec(self.plans[category].events, self.events, category)
        return codec

    def encode(self, message: Command | Event) -> bytes:
        """A message as tagged JSON; `Malformed` names a field whose value not every store can hold."""
        return encode(message)

    # what follows from the parts; a command function never asks
    @cached_property
    def folds(self) -> "dict[str, Fold]":
        """The compiled folds by part name; refuses parts that cannot work."""
        from runtime.domain.folds import folds_of

        for plan in self.plans.values():
            plan.check()
        folds = {fold.part.name: fold for fold in folds_of(self.parts)}
        for fold in folds.values():
            self._check_fold(fold)
        return folds

    def _check_fold(self, fold: "Fold") -> None:
        name = fold.part.name
        for message in (*fold.types, *getattr(fold, "sends", ()), *getattr(fold.part, "compensates", ())):
            if message not in self._plan_of:
                raise Misconfigured(f"{name!r} names {message.__name__}, which no decider of app {self.name!r} has")
        plans = {id(self.plan_of(event)): self.plan_of(event) for event in fold.types}
        several = len(plans) > 1 or any(fold.key_fields != (plan.decider.id_field,) for plan in plans.values())
        if several and not fold.many:
            raise Misconfigured(f"{name!r} is fed by several streams: say many=True, and let check shuffle the interleavings")
        group = name if isinstance(fold.part, Saga) else fold.part.group
        if group in self.plans or not (group.isidentifier() and group.islower()):
            raise Misconfigured(f"{name!r}: group {group!r} is not a free lower-case identifier")

    @cached_property
    def groups(self) -> dict[str, Group]:
        """The groups: rows and aggregations by their `group`, each saga its own; with a hash of their tables and folds."""
        from runtime.domain.stamp import stamp

        members: dict[str, list[Fold]] = {}
        sagas = {name for name, fold in self.folds.items() if isinstance(fold.part, Saga)}
        for name, fold in self.folds.items():
            group = name if isinstance(fold.part, Saga) else fold.part.group
            if group in sagas and name != group:
                raise Misconfigured(f"{name!r}: group {group!r} is the name of a saga: a saga is a group of its own")
            members.setdefault(group, []).append(fold)
        return {
            name: Group(
                name,
                tuple(fold.table for fold in folds),
                stamp(*(item for fold in folds for item in fold.stamped), *self.upcasts),
                name in sagas,
            )
            for name, folds in members.items()
        }

    def folds_of(self, group: str) -> "list[Fold]":
        """The folds of a group, in table order."""
        return [self.folds[table.part] for table in self.groups[group].tables]
