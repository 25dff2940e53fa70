"""What several grants of one role amount to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stacks.cloud import FromSecret, Grant, Reach, Value


@dataclass(frozen=True)
class Needs:
    """The variables, routes, files and identity of one role."""

    env: Mapping[str, Value]
    reach: tuple[Reach, ...]
    files: FromSecret | None
    identity: str


def needs(grants: Sequence[Grant]) -> Needs:
    """All together. `ValueError` when two say a variable differently: a defect of `stacks.system`."""
    env: dict[str, Value] = {}
    for grant in grants:
        for name, value in grant.env.items():
            if env.setdefault(name, value) is not value and env[name] != value:
                raise ValueError(f"two grants say {name} differently")
    return Needs(
        env,
        tuple(each for grant in grants for each in grant.reach),
        next((grant.files for grant in grants if grant.files), None),
        next((grant.identity for grant in grants if grant.identity), ""),
    )
