"""The W3C traceparent of an operation: the one a client sent, or a new one, so that a masked error can always be found in the logs.

https://www.w3.org/TR/trace-context/#traceparent-header
"""

import re
import secrets

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def trace_of(sent: object) -> str:
    """What was sent if it is a traceparent, else a new one."""
    if isinstance(sent, str) and _TRACEPARENT.fullmatch(sent):
        return sent
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
