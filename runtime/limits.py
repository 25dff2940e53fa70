"""The numbers that an application is planned with: what every cloud can hold, and into how many shards streams hash.

Beside the ports because plans are made from them too: a manifest carries them to whoever builds a stack.
"""

SHARDS = 256


class Limits:
    """Law 5: the smallest of what the three clouds hold. Refused with `LimitExceeded` before any write, by every provider."""

    events_per_append = 90  # DynamoDB and Azure Tables: 100 items a transaction; head, key and outbox share it
    bytes_per_append = 4 * 1024 * 1024  # DynamoDB TransactWriteItems, Azure Tables batch
    bytes_per_event = 400_000  # DynamoDB item
    characters_per_property = 32_000  # Azure Tables string property: 32K characters of UTF-16
    stream_characters = 200
    key_characters = 200
