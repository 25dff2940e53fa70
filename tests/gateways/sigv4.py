"""AWS Signature Version 4 as the receiving side checks it, written apart from the signer so that both cannot be wrong alike.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import re
from datetime import UTC, datetime
from urllib.parse import quote

from msgspec import Struct

from tests.gateways.web import Asked

SKEW_S = 300


class Keys(Struct, frozen=True):
    """Credentials that the service knows."""

    access_key: str = "AKIDEXAMPLE"
    secret_key: str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    token: str = ""
    region: str = "eu-central-1"


AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 Credential=(\S+), ?SignedHeaders=(\S+), ?Signature=([0-9a-f]{64})")


def verified(asked: Asked, keys: Keys, host: str) -> bool:
    """Whether a request carries a good signature for `execute-api`, made within five minutes."""
    found = AUTHORIZATION.fullmatch(asked.headers.get("authorization", ""))
    stamp = asked.headers.get("x-amz-date", "")
    if found is None or asked.headers.get("host") != host or asked.headers.get("x-amz-security-token", "") != keys.token:
        return False
    try:
        made = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    credential, signed, signature = found.groups()
    scope = f"{stamp[:8]}/{keys.region}/execute-api/aws4_request"
    names = signed.split(";")
    if credential != f"{keys.access_key}/{scope}" or abs((datetime.now(UTC) - made).total_seconds()) > SKEW_S:
        return False
    if names != sorted(names) or not {"host", "x-amz-date"} <= set(names):
        return False
    path, _, query = asked.target.partition("?")
    canonical = "\n".join(
        [
            asked.method,
            quote(path, safe="/~-._"),  # encoded once more, as every service but S3 wants it
            query,
            *(f"{name}:{' '.join(asked.headers.get(name, '').split())}" for name in names),
            "",
            signed,
            hashlib.sha256(asked.body).hexdigest(),
        ]
    )
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = b"AWS4" + keys.secret_key.encode()
    for part in (stamp[:8], keys.region, "execute-api", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), signature)
