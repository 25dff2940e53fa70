"""Where two states of an object differ, looked at through what a program declares: what others own is nobody's business here.

`before` and `after` are both as the API server says them, so a default, a quantity or a duration that it writes in its own way is no difference.
"""

import re
from collections.abc import Iterator
from typing import Any

from tests.engine.kube import Object

Path = tuple[str | int, ...]


def differences(inputs: Any, before: Any, after: Any, path: Path = ()) -> Iterator[Path]:
    """The paths below which the declared fields differ; lists are compared by position, and as a whole when their lengths differ."""
    if isinstance(inputs, dict) and isinstance(before, dict) and isinstance(after, dict):
        for key, value in inputs.items():
            yield from differences(value, before.get(key), after.get(key), (*path, key))
    elif isinstance(inputs, list) and isinstance(before, list) and isinstance(after, list) and len(inputs) == len(before) == len(after):
        for index, value in enumerate(inputs):
            yield from differences(value, before[index], after[index], (*path, index))
    elif before != after:
        yield path


def changed(news: Object, old_inputs: Object, before: Object, after: Object) -> list[Path]:
    """Paths of what is, or was, declared and differs; in order, each once."""
    found = [*differences(news, before, after), *differences(old_inputs, before, after)]
    return sorted(set(found), key=str)


def spelled(path: Path) -> str:
    """A path as the engine writes it: `spec.containers[0].image`, `metadata.labels["app.kubernetes.io/name"]`."""
    words = ""
    for step in path:
        if isinstance(step, int):
            words += f"[{step}]"
        elif re.fullmatch(r"\w+", step):
            words += f".{step}" if words else step
        else:
            words += f'["{step}"]'
    return words


def below(field: str) -> Path:
    """The path of a field as Kubernetes writes it in the causes of a refusal, as far as it has no index."""
    return tuple(re.split(r"[.\[]", field.split("[")[0]))
