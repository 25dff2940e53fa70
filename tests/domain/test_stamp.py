"""Stamps: the same in every process, another one whenever what folds a state changes."""

import subprocess
import sys
from pathlib import Path

import pytest

from runtime.domain.stamp import stamp
from tests.domain.library import app

ROOT = Path(__file__).parents[2]

MODULE = '''
import enum
from collections.abc import Iterator
from typing import final
from msgspec import Struct
from runtime.domain import App, Command, Decider, Event, Upcast

STEP = 2
FACTORS = {"a": 1}

class Side(enum.StrEnum):
    LEFT = "left"
    RIGHT = "right"

class Inner(Struct, frozen=True):
    depth: int = 0

class State(Struct, frozen=True):
    total: int = 0
    inner: Inner = Inner()
    side: Side = Side.LEFT
    def grown(self, by: int) -> "State":
        return State(self.total + by, self.inner)

@final
class Add(Command):
    box: str

@final
class Added(Event):
    box: str
    amount: int = 1

def doubled(amount: int) -> int:
    return amount * STEP

def made(by):
    def scaled(amount):
        return amount * by
    return scaled

tenfold = made(10)

def evolve(state: State, event: Added) -> State:
    """Grows."""
    # a comment
    return state.grown(doubled(event.amount) + tenfold(FACTORS["a"])) if event.box in {"a", "b", "c"} else State(Inner().depth)

def decide(command: Add, state: State) -> Iterator[Added]:
    yield Added(command.box)

app = App("boxes", parts=(Decider("box", State(), decide, evolve, snapshot_every=10),), upcasts=(Upcast("Old", lambda raw: raw | {"type": "Added"}),))
'''


def stamp_of(source: str) -> str:
    """The stamp of the plan of this module, loaded afresh under one name."""
    module = type(sys)("boxes")
    sys.modules["boxes"] = module
    try:
        exec(compile(source, "boxes.py", "exec"), module.__dict__)
        return str(module.app.plans["box"].stamp)
    finally:
        del sys.modules["boxes"]


BEFORE = stamp_of(MODULE)

CHANGES = {
    "evolve": ("+ tenfold(", "- tenfold("),
    "a function that evolve calls": ("amount * STEP", "amount ** STEP"),
    "a constant that it names": ("STEP = 2", "STEP = 3"),
    "a table that it names": ('{"a": 1}', '{"a": 2}'),
    "a constant inside it": ('{"a", "b", "c"}', '{"a", "b", "d"}'),
    "what a function closes over": ("made(10)", "made(11)"),
    "a default of an event": ("amount: int = 1", "amount: int = 2"),
    "a field of an event": ("amount: int = 1", "amount: int = 1\n    note: str = ''"),
    "a field of the state": ("total: int = 0", "total: int = 0\n    more: int = 0"),
    "the type of a field": ("total: int = 0", "total: float = 0"),
    "a struct inside the state": ("depth: int = 0", "depth: int = 1"),
    "an enum inside the state": ('"right"', '"RIGHT"'),
    "a method of the state": ("self.total + by", "self.total - by"),
    "the initial state": ('Decider("box", State()', 'Decider("box", State(1)'),
    "an upcaster": ('{"type": "Added"}', '{"type": "Added", "amount": 7}'),
    "the tag of an upcaster": ('Upcast("Old"', 'Upcast("Older"'),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_stamp_changes_with(what: str) -> None:
    old, new = CHANGES[what]
    assert old in MODULE
    assert stamp_of(MODULE.replace(old, new)) != BEFORE


SAME = {
    "comments": ("# a comment", "# another one\n    #"),
    "line numbers": ("\nSTEP", "\n\n\n\n\nSTEP"),
    "the text of a docstring": ('"""Grows."""', '"""Shrinks."""'),
    "formatting": ('{"a": 1}', '{\n  "a":   1,\n}'),
    "decide": ("yield Added(command.box)", "yield Added(command.box, 9)"),
    "how often a snapshot is kept": ("snapshot_every=10", "snapshot_every=20"),
    "a function that evolve does not call": ("\ntenfold", "\ndef unused(): ...\n\ntenfold"),
}


@pytest.mark.parametrize("what", SAME)
def test_a_stamp_does_not_change_with(what: str) -> None:
    old, new = SAME[what]
    assert old in MODULE
    assert stamp_of(MODULE.replace(old, new)) == BEFORE


def test_a_stamp_is_the_same_in_every_process_and_under_every_hash_seed() -> None:
    program = (
        "from tests.domain.library import app\n"
        "from tests.domain.test_stamp import choosy, stamp\n"
        "print([plan.stamp for plan in app.plans.values()], [group.schema for group in app.groups.values()], stamp(choosy))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4711")
    }
    assert seen == {f"{[plan.stamp for plan in app.plans.values()]} {[group.schema for group in app.groups.values()]} {stamp(choosy)}\n"}


def test_a_stamp_is_the_same_while_a_tracer_watches() -> None:
    """A coverage run or a debugger must not throw away snapshots."""

    def watched(state: int, event: int) -> int:
        return state + event

    before = stamp(watched)
    old = sys.gettrace()
    sys.settrace(lambda *_: None)
    try:
        watched(1, 2)
        assert stamp(watched) == before
    finally:
        sys.settrace(old)
    assert stamp(watched) == before


def test_functions_that_call_each_other_have_a_stamp() -> None:
    assert stamp(even) != stamp(odd)


def choosy(word: str) -> bool:
    """Holds a set of texts, whose order differs from process to process."""
    return word in {"a", "b", "c", "d", "e", "f", "g"}


def even(number: int) -> bool:
    """By way of odd."""
    return number == 0 or odd(number - 1)


def odd(number: int) -> bool:
    """By way of even."""
    return number != 0 and even(number - 1)
