"""How often a fault test repeats its fault: a fifth of the rounds by default, the remaining ones under `trimaran test --full`.

Faults that strike by chance need many rounds to be believed; a developer's run should not wait for all of them.
"""

import os


def rounds(total: int) -> int:
    """The rounds of `total` that this run makes; a test that calls it carries `@pytest.mark.rounds`."""
    fifth = max(1, total // 5)
    return max(1, total - fifth) if os.environ.get("TRIMARAN_FULL") == "1" else fifth
