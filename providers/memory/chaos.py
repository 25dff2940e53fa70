"""Makes the in-process bus as bad as a bus may be: seeded repeats, reordering and loss of messages.

Law 2 says the bus is a hint. The fault strikes when a message is published, so the log and its offsets stay honest and a
crashed or rewound consumer meets the same damage again. Loss hits any message, the last of a stream like any other.
"""

import random

from runtime.ports import Envelope


class Chaos:
    """Deterministic per seed: `duplicate` and `drop` are chances per message, `shuffle_window` is how many places one may move."""

    def __init__(self, seed: int, duplicate: float = 0.0, shuffle_window: int = 0, drop: float = 0.0) -> None:
        self._random = random.Random(seed)
        self._duplicate = duplicate
        self._window = shuffle_window
        self._drop = drop
        self._held: list[Envelope] = []
        self.dropped = 0
        self.duplicated = 0

    def disturb(self, envelopes: list[Envelope]) -> list[Envelope]:
        """What reaches the log now, instead of `envelopes`; up to a window of messages is held back for later."""
        passing = list(self._held)
        for envelope in envelopes:
            if self._random.random() < self._drop:
                self.dropped += 1
                continue
            passing.append(envelope)
            if self._random.random() < self._duplicate:
                self.duplicated += 1
                passing.append(envelope)
        passing = self._shuffled(passing)
        keep = self._random.randint(0, min(self._window, len(passing)))
        self._held = passing[len(passing) - keep :]
        return passing[: len(passing) - keep]

    def release(self) -> list[Envelope]:
        """Whatever is held back, when a consumer would otherwise wait for it for ever."""
        held, self._held = self._held, []
        return held

    @property
    def held(self) -> int:
        """How many messages are held back."""
        return len(self._held)

    def _shuffled(self, envelopes: list[Envelope]) -> list[Envelope]:
        if not self._window:
            return envelopes
        places = [(place + self._random.random() * self._window, place) for place in range(len(envelopes))]
        return [envelopes[place] for _, place in sorted(places)]
