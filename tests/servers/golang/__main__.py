"""Build what is not in the cache yet, and say where it is."""

import sys

from tests.servers.golang import Missing, binaries, engine

try:
    for folder in (binaries(), engine()):
        sys.stdout.write(f"{folder}\n")
except Missing as lacking:
    sys.exit(str(lacking))
