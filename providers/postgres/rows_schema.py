"""The tables of the read store in PostgreSQL; the row tables of a generation are made beside them when it is created.

`gid` stands for (group, number) so that the big tables have short keys. A generation that was dropped leaves its line, and no
number is used twice.
"""

COMPONENT = "rows"

MIGRATIONS = [
    """CREATE TABLE {s}.read_generations (
  gid integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE "C" NOT NULL, number integer NOT NULL, phase text NOT NULL,
  schema text NOT NULL, epoch bigint NOT NULL, tables text NOT NULL, saga boolean NOT NULL, dropped boolean NOT NULL DEFAULT false,
  UNIQUE (name, number)
);
CREATE TABLE {s}.read_shards (
  gid integer NOT NULL, shard integer NOT NULL, changes bigint NOT NULL, signalled bigint NOT NULL, holder text NOT NULL,
  PRIMARY KEY (gid, shard)
) WITH (fillfactor = 40);
CREATE TABLE {s}.read_watermarks (
  gid integer NOT NULL, stream text COLLATE "C" NOT NULL, version bigint NOT NULL, PRIMARY KEY (gid, stream)
) WITH (fillfactor = 85);
CREATE TABLE {s}.read_changes (
  gid integer NOT NULL, shard integer NOT NULL, number bigint NOT NULL, part text NOT NULL, key text NOT NULL, tenant text NOT NULL,
  revision bigint NOT NULL, before text NOT NULL, after text NOT NULL, PRIMARY KEY (gid, shard, number)
);
CREATE TABLE {s}.read_letters (
  gid integer NOT NULL, stream text COLLATE "C" NOT NULL, part text COLLATE "C" NOT NULL, version bigint NOT NULL, error text NOT NULL,
  tries integer NOT NULL, parked boolean NOT NULL, reason text NOT NULL, trying bigint NOT NULL, PRIMARY KEY (gid, stream, part)
);
CREATE TABLE {s}.read_leases (
  gid integer NOT NULL, holder text NOT NULL, until timestamptz NOT NULL, PRIMARY KEY (gid, holder)
);
CREATE TABLE {s}.read_outputs (
  turn bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, saga text COLLATE "C" NOT NULL, generation integer NOT NULL,
  stream text COLLATE "C" NOT NULL, version bigint NOT NULL, n integer NOT NULL, key text COLLATE "C" NOT NULL, command text NOT NULL,
  tenant text NOT NULL, due timestamptz, tries integer NOT NULL, error text NOT NULL, stuck boolean NOT NULL, ready timestamptz NOT NULL,
  UNIQUE (saga, generation, stream, version, n)
);
CREATE INDEX read_outputs_ready ON {s}.read_outputs (saga, ready, turn) WHERE generation = 0 AND NOT stuck;
CREATE INDEX read_outputs_due ON {s}.read_outputs (due) WHERE generation = 0 AND NOT stuck AND due IS NOT NULL;
CREATE INDEX read_outputs_timer ON {s}.read_outputs (saga, key) WHERE due IS NOT NULL;
CREATE TABLE {s}.read_clock (one integer PRIMARY KEY CHECK (one = 1), now timestamptz NOT NULL)"""
]
