"""What a doctor says of a store or bus: one finding a check, and for a bad one the way out. Looking changes nothing."""

from msgspec import Struct


class Finding(Struct, frozen=True):
    """`what` was looked at, what was `found`, and if it is not `well`, the way out."""

    what: str
    found: str
    well: bool = True
    way_out: str = ""


def schema(component: str, found: int, known: int) -> Finding:
    """A schema version against what this program knows."""
    what = f"{component} schema"
    if found > known:
        return Finding(what, f"version {found}, this program knows {known}", False, "run a newer program")
    if found == 0:
        return Finding(what, "no tables yet: the first start makes them")
    if found < known:
        return Finding(what, f"version {found}: the next start migrates it to {known}")
    return Finding(what, f"version {found}")
