"""Routes against the Gateway API's own schema (reduce.py says the source)."""

from pathlib import Path

from tests.stacks.keda.check import against_schema
from tests.stacks.objects import Objects

HERE = Path(__file__).parent
KINDS = ("HTTPRoute",)


def problems(objects: Objects) -> list[str]:
    """Sentences: which object, where, what."""
    return [f"{each}: {told}" for each in objects.of(*KINDS) for told in against_schema(each, HERE)]
