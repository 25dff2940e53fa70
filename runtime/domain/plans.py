"""A decider compiled: which commands and events are its own, and how its streams are named, folded and kept as snapshots.

Everything that only snapshots need is worked out when it is first asked for, so that a command function without them pays nothing.
"""

from functools import cached_property
from types import NoneType
from typing import TYPE_CHECKING, Any, get_type_hints

import msgspec

from runtime.domain.messages import Command, Event, check_fields, classes_in, hints_of, messages_of
from runtime.domain.parts import Decider
from runtime.domain.tables import Kind, kind_of
from runtime.errors import Misconfigured

if TYPE_CHECKING:
    from runtime.domain.app import App


class Plan:
    """A decider of an app, compiled."""

    def __init__(self, decider: Decider[Any, Any, Any], app: "App") -> None:
        self.decider = decider
        self._app = app
        self.commands = messages_of(decider.decide, 0, Command)
        self.events = messages_of(decider.evolve, 1, Event)
        for message in (*self.commands, *self.events):
            check_fields(message, (decider.id_field,), f"decider {decider.name!r}")
        if decider.snapshot_every < 0:
            raise Misconfigured(f"decider {decider.name!r}: snapshot_every is {decider.snapshot_every}; 0 is never")

    def check(self) -> None:
        """What only projectors and tests look at: `Misconfigured` for an id that cannot name a stream."""
        field = self.decider.id_field
        for message in (*self.commands, *self.events):
            annotation = get_type_hints(message)[field]
            if kind_of(annotation) not in (Kind.TEXT, Kind.INT, Kind.DATE) or NoneType in classes_in(annotation):
                raise Misconfigured(
                    f"decider {self.decider.name!r}: {message.__name__}.{field} names the stream: make it text, int or date"
                )

    def stream(self, message: Any, tenant: str = "") -> str:
        """The stream of a command or event: `category-id`, with `tenant/` before it where the app has tenants."""
        return self._app.stream(self.decider.name, str(getattr(message, self.decider.id_field)), tenant)

    def fold(self, state: Any, data: list[bytes]) -> Any:
        """The state after these stored events."""
        evolve = self.decider.evolve
        for event in self._app.stream_codec(self.decider.name).decode(data):
            state = evolve(state, event)
        return state

    # snapshots
    @cached_property
    def stamp(self) -> str:
        """A hash of what folds the state: its schema, the events, the upcasters and `evolve`; a snapshot with another one is not used."""
        from runtime.domain.stamp import stamp

        return stamp(self._state, self.decider.initial, self.decider.evolve, *self.events, *self._app.upcasts)

    @cached_property
    def _state(self) -> Any:
        """The state's type, as evolve's annotation says."""
        return hints_of(self.decider.evolve).get("return", type(self.decider.initial))

    @cached_property
    def _decoder(self) -> msgspec.json.Decoder[Any]:
        try:
            return msgspec.json.Decoder(self._state)
        except TypeError as error:
            raise Misconfigured(f"decider {self.decider.name!r}: its state cannot be kept as a snapshot: {error}") from error

    def encode_state(self, state: Any) -> bytes:
        """A state as a snapshot holds it."""
        return msgspec.json.encode(state)

    def decode_state(self, data: bytes) -> Any:
        """The state of a snapshot with this plan's stamp."""
        return self._decoder.decode(data)
