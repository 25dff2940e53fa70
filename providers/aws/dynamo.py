"""DynamoDB as its HTTP API: one request a call, signed by hand, tried again where the service asks for it.

Without boto3 a function starts 150 ms sooner and spends a third of the CPU on a request. A request whose answer was lost may have been
carried out: `tried` tells the caller that this one was sent more than once.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html and …/Programming.Errors.html
"""

import random
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from providers.aws.signing import Credentials, Signer, from_environment
from providers.web import Web
from runtime.errors import Misconfigured, Unavailable

TIMEOUT_S = 3.0
ANSWER_BYTES = 20 * 1024 * 1024  # a batch of reads: 16 MB, and JSON around it
TRIES = 6
FIRST_WAIT_S, MOST_WAIT_S = 0.02, 0.5
AGAIN = (
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
    "InternalServerError",
    "TransactionInProgressException",
)

type Item = dict[str, Any]  # attribute -> {"S": …} and the like


class Failed(Exception):
    """A condition that did not hold; the item as it is, and whether an earlier try of the same request may have been carried out."""

    def __init__(self, item: Item | None, tried: bool) -> None:
        super().__init__("the condition did not hold")
        self.item, self.tried = item, tried


class Told(Struct, frozen=True):
    """What a call answered."""

    body: dict[str, Any]
    tried: bool


class Dynamo:
    """Calls of one region."""

    def __init__(
        self,
        endpoint: str,
        region: str,
        *,
        credentials: Callable[[], Credentials] = from_environment,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(endpoint)
        self._web = Web(f"{parts.scheme}://{parts.netloc}", timeout_s=TIMEOUT_S, answer_bytes=ANSWER_BYTES)
        self._signer = Signer(self._web.host, region, "dynamodb", credentials=credentials)
        self._sleep = sleep

    def call(self, operation: str, asked: Mapping[str, Any]) -> Told:
        """One operation. Raises `Failed`, `Unavailable`, `Misconfigured`."""
        body, target = msgspec.json.encode(asked), f"DynamoDB_20120810.{operation}"
        wait, tried = FIRST_WAIT_S, False
        for tries in range(1, TRIES + 1):
            try:
                headers = self._signer.headers("POST", "/", body, target)
                answer = self._web.ask("POST", "/", headers | {"content-type": "application/x-amz-json-1.0"}, body)
            except Unavailable:
                tried = True
                if tries == TRIES:
                    raise
            else:
                if answer.status == 200:
                    return Told(msgspec.json.decode(answer.body), tried)
                self._refused(operation, answer.status, answer.body, tried)
                tried = tried or answer.status >= 500
            self._sleep(wait * random.uniform(0.5, 1.0))
            wait = min(MOST_WAIT_S, wait * 2)
        raise Unavailable(f"DynamoDB did not carry out {operation} in {TRIES} tries")

    def _refused(self, operation: str, status: int, body: bytes, tried: bool) -> None:
        """Raise, unless it is worth another try."""
        try:
            told = msgspec.json.decode(body)
            kind, text = str(told.get("__type", "")).rpartition("#")[2], told.get("message") or told.get("Message") or ""
        except (ValueError, AttributeError):
            told, kind, text = {}, "", ""
        if kind == "ConditionalCheckFailedException":
            raise Failed(told.get("Item"), tried)
        if kind in AGAIN or status >= 500:
            return
        if kind == "ResourceNotFoundException":
            raise Misconfigured(f"DynamoDB: the table or index of {operation} is not there: deploy the stack, or call ensure()")
        if kind in ("AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException", "MissingAuthenticationToken"):
            raise Misconfigured(f"DynamoDB refuses {operation}: the role needs dynamodb:{operation} on the table ({kind})")
        raise Unavailable(f"DynamoDB answered {status} {kind} to {operation}: {text[:200]}")

    def close(self) -> None:
        """Close what is idle."""
        self._web.close()
