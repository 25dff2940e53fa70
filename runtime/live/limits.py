"""What a gateway lets one client do: every buffer, document and count has a bound, and who meets one is told which.

The numbers are defaults; `hosts.settings` reads others from the environment. Sources: OWASP ASVS 4.0 V13, graphql-armor's defaults,
Amazon API Gateway's WebSocket quotas (128 KB a message).
"""

from msgspec import Struct


class Limits(Struct, frozen=True):
    """Bounds of one gateway."""

    # before anything is parsed
    message_bytes: int = 128 * 1024  # a frame or an HTTP body
    document_bytes: int = 16 * 1024  # of its query text; long literals belong into variables
    nesting: int = 50  # brackets within brackets, before parsing: a parser that calls itself
    token_bytes: int = 16 * 1024  # of a bearer token
    # a document; what a fragment holds counts wherever it is spread
    tokens: int = 500  # parsing costs up to 20 µs each; the introspection of the usual tools has 170
    depth: int = 12
    aliases: int = 30
    directives: int = 30
    directives_per_field: int = 5
    root_fields: int = 20
    fields: int = 400
    duplicates: int = 1_000  # pairs of fields with one response name, which a validator compares pair by pair
    introspection_depth: int = 16  # the usual tools ask for 14
    fragments: int = 30
    spreads: int = 100  # … and `... on` as written
    complexity: int = 5_000  # fields, times the rows that a page asks for, in hundreds
    variables_bytes: int = 64 * 1024
    variables_depth: int = 16
    documents_cached: int = 300  # parsed, up to 0.2 MB each
    # answers
    page_rows: int = 1_000  # `first` at most
    page_default: int = 100
    snapshot_rows: int = 10_000  # of one subscription
    answer_bytes: int = 128 * 1024  # a stateless gateway's message
    # connections
    init_timeout_s: float = 3.0
    operations_per_connection: int = 100
    connections_per_identity: int = 100
    operations_per_identity: int = 1_000
    connections: int = 10_000  # in one process
    waiting_connections: int = 1_000  # … that have not been acknowledged yet
    messages_per_second: int = 100  # of one connection, on average; ten seconds' worth at once
    outbox_bytes: int = 1024 * 1024  # for one slow connection, then newest wins per row
    outbox_rows: int = 1_000  # changed rows kept for one slow subscription, then close 1013
    keep_alive_s: float = 12.0
    expiry_grace_s: float = 0.5  # after a token's `exp`, at most, data still flows
    revocation_poll_s: float = 2.0
    wait_s: float = 5.0  # for `after: token`
    waits: int = 200  # that one process does for it at once; more are answered as stale at once
