"""AWS_MSK_IAM: kafka-python signs with the credentials that botocore finds (role, profile, environment); here is what it needs for that."""

import os
import re
from importlib.util import find_spec

from runtime.errors import Misconfigured

# b-1.name.abc.c2.kafka.eu-west-1.amazonaws.com, boot-abc.c1.kafka-serverless.eu-west-1.amazonaws.com
HOST = re.compile(r"\.kafka(?:-serverless)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?:\d+$")


def prepare(region: str, servers: tuple[str, ...]) -> None:
    """Let botocore know the region: the option, else the environment's, else the brokers' own. Raises `Misconfigured`."""
    if find_spec("botocore") is None:
        raise Misconfigured(
            "AWS_MSK_IAM needs botocore, which is not installed: `uv pip install botocore` in the image, or use SCRAM-SHA-512"
        )
    found = HOST.search(servers[0])
    named = region or os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("AWS_REGION") or (found.group(1) if found else "")
    if not named:
        raise Misconfigured("AWS_MSK_IAM signs for a region: add region=eu-west-1 (or so) to the Kafka URL, or set AWS_DEFAULT_REGION")
    os.environ["AWS_DEFAULT_REGION"] = named  # the only way in: kafka-python's mechanism makes a session of its own
