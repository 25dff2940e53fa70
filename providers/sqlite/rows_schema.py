"""The tables of the read store in SQLite; the row tables of a generation are made beside them when it is created.

`gid` stands for (group, number) so that the big tables have short keys. A generation that was dropped leaves its line, and no
number is used twice.
"""

COMPONENT = "rows"

MIGRATIONS = [
    """CREATE TABLE read_generations (
  gid INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, number INTEGER NOT NULL, phase TEXT NOT NULL, schema TEXT NOT NULL,
  epoch INTEGER NOT NULL, tables TEXT NOT NULL, saga INTEGER NOT NULL, dropped INTEGER NOT NULL DEFAULT 0, UNIQUE (name, number)
) STRICT;
CREATE TABLE read_shards (
  gid INTEGER NOT NULL, shard INTEGER NOT NULL, changes INTEGER NOT NULL, signalled INTEGER NOT NULL, holder TEXT NOT NULL,
  PRIMARY KEY (gid, shard)
) STRICT, WITHOUT ROWID;
CREATE TABLE read_watermarks (
  gid INTEGER NOT NULL, stream TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (gid, stream)
) STRICT, WITHOUT ROWID;
CREATE TABLE read_changes (
  gid INTEGER NOT NULL, shard INTEGER NOT NULL, number INTEGER NOT NULL, part TEXT NOT NULL, key TEXT NOT NULL, tenant TEXT NOT NULL,
  revision INTEGER NOT NULL, before BLOB NOT NULL, after BLOB NOT NULL, PRIMARY KEY (gid, shard, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE read_letters (
  gid INTEGER NOT NULL, stream TEXT NOT NULL, part TEXT NOT NULL, version INTEGER NOT NULL, error TEXT NOT NULL, tries INTEGER NOT NULL,
  parked INTEGER NOT NULL, reason TEXT NOT NULL, trying INTEGER NOT NULL, PRIMARY KEY (gid, stream, part)
) STRICT, WITHOUT ROWID;
CREATE TABLE read_leases (
  gid INTEGER NOT NULL, holder TEXT NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (gid, holder)
) STRICT, WITHOUT ROWID;
CREATE TABLE read_outputs (
  turn INTEGER PRIMARY KEY AUTOINCREMENT, saga TEXT NOT NULL, generation INTEGER NOT NULL, stream TEXT NOT NULL, version INTEGER NOT NULL,
  n INTEGER NOT NULL, key TEXT NOT NULL, command BLOB NOT NULL, tenant TEXT NOT NULL, due INTEGER, tries INTEGER NOT NULL,
  error TEXT NOT NULL, stuck INTEGER NOT NULL, ready INTEGER NOT NULL, UNIQUE (saga, generation, stream, version, n)
) STRICT;
CREATE INDEX read_outputs_ready ON read_outputs (saga, ready, turn) WHERE generation = 0 AND stuck = 0;
CREATE INDEX read_outputs_due ON read_outputs (due) WHERE generation = 0 AND stuck = 0 AND due IS NOT NULL;
CREATE INDEX read_outputs_timer ON read_outputs (saga, key) WHERE due IS NOT NULL;
CREATE TABLE read_clock (one INTEGER PRIMARY KEY CHECK (one = 1), now INTEGER NOT NULL) STRICT"""
]
