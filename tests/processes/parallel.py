"""Several worlds at once: most of a fault's time is waiting, so rounds that need no common state overlap."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def shared(total: int, worlds: int) -> list[range]:
    """The rounds of each world: `total` in all, as even as can be; worlds without a round are left out."""
    return [part for world in range(worlds) if len(part := range(world, total, worlds))]


def at_once[T](work: Callable[[range], T], parts: list[range]) -> list[T]:
    """Do `work` on each part on a thread of its own; the first error is raised once all have ended."""
    with ThreadPoolExecutor(len(parts)) as pool:
        return [future.result() for future in [pool.submit(work, part) for part in parts]]
