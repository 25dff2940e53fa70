"""`python -m tests.gateways`: the shop behind both emulated services until it is interrupted; says where, and with which token, as JSON.

{"apigateway": "ws://…", "webpubsub": "ws://…", "token": "…"}

--subject ann --role support   whose token
--delay 0.02 --seed 7          what the services delay and reorder
"""

import argparse
import json
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

from hosts.dev_tokens import DevTokens
from tests.gateways import bed


def main() -> None:
    """Serve until interrupted."""
    asked = argparse.ArgumentParser(prog="python -m tests.gateways", description=__doc__)
    asked.add_argument("--subject", default="ann")
    asked.add_argument("--role", action="append", default=[])
    asked.add_argument("--delay", type=float, default=0.0)
    asked.add_argument("--seed", type=int, default=1)
    told = asked.parse_args()
    with ExitStack() as stack:
        tokens = DevTokens(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        opened = {
            name: stack.enter_context(bed.running(name, seed=told.seed, delay_s=told.delay, tokens=tokens)).url
            for name in ("apigateway", "webpubsub")
        }
        print(json.dumps(opened | {"token": tokens.sign(told.subject, told.role)}), flush=True)  # noqa: T201  what it is for
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            sys.exit(0)


if __name__ == "__main__":
    main()
