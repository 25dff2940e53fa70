"""How often a fault test repeats its fault: a fifth of the rounds by default, or fewer, and the remaining ones under `trimaran test --full`.

Faults that strike by chance need many rounds to be believed; a developer's run should not wait for all of them. How long a fault lasts
and how much data it meets cannot be shared out between two runs: a fifth by default, and under `--full` the whole of it.
"""

import os


def rounds(total: int, first: int | None = None) -> int:
    """The rounds of `total` that this run makes; a test that calls it carries `@pytest.mark.rounds`. `first`: how many by default, instead of a fifth."""
    by_default = first or amount_by_default(total)
    return max(1, total - by_default) if full() else by_default


def amount(total: int) -> int:
    """The seconds or events of `total` that this run meets in one go; a test that calls it carries `@pytest.mark.rounds`."""
    return total if full() else amount_by_default(total)


def amount_by_default(total: int) -> int:
    """A fifth, and at least one."""
    return max(1, total // 5)


def full() -> bool:
    """Whether this is the run of the remaining rounds."""
    return os.environ.get("TRIMARAN_FULL") == "1"
