"""The promises a provider keeps, one port each; the memory provider is their meaning and a conformance suite holds everybody to it.

Every method blocks and is called through `runtime.steps` by a core. Every method may raise `Unavailable`; whatever else it
raises is part of its promise. All sizes are bytes unless the name says otherwise, all durations seconds, versions count from 1
(0 = "no event yet"), instants are timezone-aware `datetime`s in UTC.
"""

from runtime.limits import SHARDS, Limits
from runtime.ports.bus import Bus, Consumer, Delivery, Envelope
from runtime.ports.events import Answer, Append, EventStore, Head, KeptKey, Loaded, New, Recorded, Snapshot, Snapshots, shard_of
from runtime.ports.reads import Page, ReadStore, Seen, Transaction
from runtime.ports.relay import Pending, Relay
from runtime.ports.rows import Change, Generation, Letter, Output, Phase, Row, RowWrite, ShardState, Writes
from runtime.ports.signals import Listener, Signal, Signals

__all__ = [
    "SHARDS",
    "Answer",
    "Append",
    "Bus",
    "Change",
    "Consumer",
    "Delivery",
    "Envelope",
    "EventStore",
    "Generation",
    "Head",
    "KeptKey",
    "Letter",
    "Limits",
    "Listener",
    "Loaded",
    "New",
    "Output",
    "Page",
    "Pending",
    "Phase",
    "ReadStore",
    "Recorded",
    "Relay",
    "Row",
    "RowWrite",
    "Seen",
    "ShardState",
    "Signal",
    "Signals",
    "Snapshot",
    "Snapshots",
    "Transaction",
    "Writes",
    "shard_of",
]
