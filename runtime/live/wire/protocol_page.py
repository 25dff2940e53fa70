"""`docs/protocol.md`, rendered from the tables that the drivers obey, so that it cannot say anything else.

`python -m runtime.live.wire.protocol_page > docs/protocol.md`
"""

import sys
from collections.abc import Callable, Iterable
from enum import StrEnum

from runtime.live.wire import protocol
from runtime.live.wire.messages import INVALID, TOO_BIG, Violation
from runtime.live.wire.protocol import CONNECTION, OPERATION, Act, Do, Event, Happening, Operation, Phase

INTRODUCTION = """# The protocol

A client speaks [`graphql-transport-ws`](https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md), the protocol of `graphql-ws`, Apollo,
urql and `gql`. This page is rendered from the two tables in `runtime/live/wire/protocol.py`; every driver looks up there what to do. A dash: it
cannot happen, and is answered with 4500.
"""

IN_BAND = """## Where a gateway cannot send these codes

Amazon API Gateway closes with 1000 whatever happened, Azure Web PubSub with a normal closure, and some clients answer 1000 by connecting again
at once, for ever. There a fatal error is first told by a frame of a type that no client knows, `{"type":"4403: Forbidden"}`: clients end for good and show it.
"""


def page() -> str:
    """The whole page."""
    connection = table("connection", Happening, Phase, lambda happening, phase: cell(CONNECTION.get((phase, happening)), phase))
    operation = table("operation's id", Event, Operation, lambda event, state: turn(OPERATION.get((state, event)), state))
    return "\n".join(
        [
            INTRODUCTION,
            "## A connection\n",
            *connection,
            "\nA message that is none of the five, or not as the protocol wants it, is `4400 Invalid message received` in every phase.\n",
            "## An operation\n",
            "An id can be used again as soon as it is absent. What an operation still says after its end is dropped.\n",
            *operation,
            "\n## Close codes\n",
            "| code | reason | clients (graphql-ws 6.4) |\n|---|---|---|",
            *(f"| {code} | {reason} | {after(code)} |" for code, reason in codes()),
            "",
            IN_BAND,
        ]
    )


def table[Row: StrEnum, Column: StrEnum](
    name: str, rows: Iterable[Row], columns: Iterable[Column], text: Callable[[Row, Column], str]
) -> list[str]:
    """A table as Markdown."""
    columns = list(columns)
    head = f"| {name} | " + " | ".join(columns) + " |"
    return [
        head,
        "|---" * (len(columns) + 1) + "|",
        *(f"| {row} | " + " | ".join(text(row, each) for each in columns) + " |" for row in rows),
    ]


def cell(step: protocol.Step | None, phase: Phase) -> str:
    """What a connection does."""
    if step is None:
        return "—"
    if isinstance(step.act, Violation):
        return f"close {step.act.code}"
    return joined("" if step.act is Do.NOTHING else step.act, "" if step.phase is phase else step.phase)


def turn(found: protocol.Turn | None, state: Operation) -> str:
    """What an operation does."""
    if found is None:
        return "—"
    return joined("" if found.act is Act.NOTHING else found.act, "" if found.state is state else found.state)


def joined(act: str, place: str) -> str:
    """`act → place`, or what there is of it."""
    return " → ".join(part for part in (act, f"*{place}*" if place else "") if part) or "ignored"


def codes() -> list[tuple[int, str]]:
    """Every close code with its reason."""
    named = [each for each in vars(protocol).values() if isinstance(each, Violation)]
    return sorted({(each.code, each.reason) for each in (*named, INVALID, TOO_BIG, protocol.duplicate("<id>"))})


def after(code: int) -> str:
    """What a client does about a code."""
    return "connects again, a little later" if code in (1001, 1013, 4403, 4408) else "gives up and says so"


if __name__ == "__main__":
    sys.stdout.write(page())
