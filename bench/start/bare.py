"""The same rows in a fresh process by hand, msgspec and sqlite3 alone: `python -c "import bench.start.bare" FILE ID`."""

import sqlite3
import sys
from datetime import UTC, date, datetime
from hashlib import blake2b
from os import urandom

import msgspec

TABLES = """
CREATE TABLE IF NOT EXISTS events (
    stream TEXT NOT NULL, version INTEGER NOT NULL, type TEXT NOT NULL, key TEXT NOT NULL, cause TEXT NOT NULL, trace TEXT NOT NULL,
    time TEXT NOT NULL, epoch INTEGER NOT NULL, subject TEXT NOT NULL, key_id TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (stream, version)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS streams (stream TEXT PRIMARY KEY, version INTEGER NOT NULL, unpublished INTEGER) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS outbox ON streams (stream) WHERE unpublished IS NOT NULL;
CREATE TABLE IF NOT EXISTS keys (
    stream TEXT NOT NULL, key TEXT NOT NULL, digest BLOB NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, epoch INTEGER NOT NULL,
    PRIMARY KEY (stream, key)) WITHOUT ROWID;
"""


class Enter(msgspec.Struct, tag=True):
    """The command."""

    account: str
    amount: int
    text: str
    day: date


class Entered(msgspec.Struct, tag=True):
    """The event."""

    account: str
    amount: int
    text: str
    day: date
    booked_by: str = "clerk-17"
    currency: str = "EUR"


class Account(msgspec.Struct):
    """The state."""

    entries: int = 0
    total: int = 0


def handle(connection: sqlite3.Connection, command: Enter, key: str) -> int:
    """Load, decide, append one event with its key and outbox mark; the version it got."""
    execute = connection.execute
    stream = f"account-{command.account}"
    digest = blake2b(msgspec.json.encode(command), digest_size=16).digest()
    kept = execute("SELECT last, digest FROM keys WHERE stream = ? AND key = ?", (stream, key)).fetchone()
    if kept is not None:
        return int(kept[0])
    decoder = msgspec.json.Decoder(Entered)
    account = Account()
    rows = execute("SELECT data FROM events WHERE stream = ? ORDER BY version", (stream,)).fetchall()
    for (data,) in rows:
        event = decoder.decode(data)
        account = Account(account.entries + 1, account.total + event.amount)
    version = account.entries + 1
    data = msgspec.json.encode(Entered(command.account, command.amount, command.text, command.day))
    now = datetime.now(UTC).isoformat()
    execute("BEGIN IMMEDIATE")
    execute("INSERT INTO streams VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET version = excluded.version", (stream, version, version))
    execute("INSERT INTO events VALUES (?,?,?,?,?,?,?,?,?,?,?)", (stream, version, "Entered", key, "", "", now, 1, "", "", data))
    execute("INSERT INTO keys VALUES (?,?,?,?,?,?)", (stream, key, digest, version - 1, version, 1))
    execute("COMMIT")
    return version


file, account_id = sys.argv[-2:]
database = sqlite3.connect(file, isolation_level=None)
database.execute("PRAGMA journal_mode=WAL")
database.execute("PRAGMA synchronous=FULL")
if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'events'").fetchone():
    database.executescript(TABLES)
done = handle(database, Enter(account_id, 1, "paid at the counter", date(2026, 11, 23)), urandom(16).hex())
sys.stdout.write(f"account-{account_id}@{done}\n")
sys.stdout.flush()
