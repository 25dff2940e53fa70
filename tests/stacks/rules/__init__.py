"""The rule pack: what no stack of ours may do, each rule a sentence and a pure function from a recorded graph to what breaks it.

A rule yields one sentence a fault, beginning with the object. tests/stacks/test_rules.py plants a fault for each and sees it caught.
"""

from collections.abc import Callable, Iterator

from tests.stacks.objects import Objects
from tests.stacks.rules import access, alone, network, running, scaling, secrets, work

type Rule = Callable[[Objects], Iterator[str]]

RULES: tuple[Rule, ...] = (*alone.RULES, *running.RULES, *scaling.RULES, *network.RULES, *secrets.RULES, *access.RULES, *work.RULES)


def broken(objects: Objects) -> list[str]:
    """Everything that breaks a rule, with the rule's name before it."""
    return [f"{rule.__name__}: {told}" for rule in RULES for told in rule(objects)]
