"""Routes against the Gateway API's own schema (reduce.py says the source)."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]

from tests.stacks.objects import Objects

KINDS = ("HTTPRoute",)


def problems(objects: Objects) -> list[str]:
    """Sentences: which object, where, what."""
    validator = jsonschema.Draft202012Validator(_schema())
    return [
        f"{each}: {error.json_path.removeprefix('$.')}: {error.message}"
        for each in objects.of(*KINDS)
        for error in validator.iter_errors(each.body)
    ]


@cache
def _schema() -> Any:
    return json.loads((Path(__file__).parent / "HTTPRoute.json").read_text())
