"""Build what is not in the cache yet, and say where it is."""

import sys

from tests.servers.golang import Missing, binaries, definitions, engine

try:
    for folder in (binaries(), engine(), definitions()):
        sys.stdout.write(f"{folder}\n")
except Missing as lacking:
    sys.exit(str(lacking))
