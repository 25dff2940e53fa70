"""The event store's tables in PostgreSQL, and the one function that appends.

An append is one function call, so one round trip and one transaction. It takes the lock of its stream's row and no other: no
NOTIFY, no table lock, no advisory lock, each of which would make all appends wait for one another (2-3 times slower, measured).
"""

MIGRATIONS = (
    """
CREATE TABLE {s}.events (
    stream text COLLATE "C" NOT NULL, version int8 NOT NULL, type text NOT NULL, key text NOT NULL, cause text NOT NULL,
    trace text NOT NULL, time text NOT NULL, epoch int NOT NULL, subject text NOT NULL, key_id text NOT NULL, data bytea NOT NULL,
    PRIMARY KEY (stream, version));
-- One row per stream: the head, the outbox (its first unpublished version) and the relay's claim.
CREATE TABLE {s}.streams (
    stream text COLLATE "C" PRIMARY KEY, version int8 NOT NULL, unpublished int8, claimed timestamptz NOT NULL DEFAULT '-infinity')
    WITH (fillfactor = 80);
CREATE INDEX outbox ON {s}.streams (claimed) WHERE unpublished IS NOT NULL;
CREATE TABLE {s}.keys (
    stream text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL, digest bytea NOT NULL, first int8 NOT NULL, last int8 NOT NULL,
    epoch int NOT NULL, PRIMARY KEY (stream, key));
CREATE TABLE {s}.snapshots (
    stream text COLLATE "C" NOT NULL, stamp text COLLATE "C" NOT NULL, version int8 NOT NULL, checksum int8 NOT NULL,
    state bytea NOT NULL, PRIMARY KEY (stream, stamp));
CREATE TABLE {s}.meta (epoch int NOT NULL);
INSERT INTO {s}.meta VALUES (1);

-- outcome 0: stored (first, last, epoch); 1: the kept answer; 2: conflict (last is the head); 3: the key was used for another command
CREATE FUNCTION {s}.append(
    a_stream text, a_expected int8, a_types text[], a_datas bytea[], a_key text, a_digest bytea, a_cause text, a_trace text, a_time text,
    OUT outcome int, OUT a_first int8, OUT a_last int8, OUT a_epoch int)
LANGUAGE plpgsql AS $$
DECLARE
    count int := cardinality(a_types);
    moved bool;
    kept bytea;
BEGIN
    a_first := a_expected;
    a_last := a_expected + count;
    -- Moving the head checks the version and, by the row's lock, makes concurrent appends to this stream wait.
    IF count = 0 THEN
        SELECT coalesce((SELECT version FROM {s}.streams WHERE stream = a_stream), 0) = a_expected INTO moved;
    ELSIF a_expected = 0 THEN
        INSERT INTO {s}.streams (stream, version, unpublished) VALUES (a_stream, count, 1) ON CONFLICT DO NOTHING;
        moved := FOUND;
    ELSE
        UPDATE {s}.streams SET version = a_last, unpublished = coalesce(unpublished, a_expected + 1)
            WHERE stream = a_stream AND version = a_expected;
        moved := FOUND;
    END IF;
    IF moved THEN
        INSERT INTO {s}.keys SELECT a_stream, a_key, a_digest, a_first, a_last, epoch FROM {s}.meta
            ON CONFLICT DO NOTHING RETURNING epoch INTO a_epoch;
        IF FOUND THEN
            IF count = 1 THEN
                INSERT INTO {s}.events VALUES (
                    a_stream, a_last, a_types[1], a_key, a_cause, a_trace, a_time, a_epoch, '', '', a_datas[1]);
            ELSIF count > 1 THEN
                INSERT INTO {s}.events SELECT a_stream, a_expected + n, t, a_key, a_cause, a_trace, a_time, a_epoch, '', '', d
                    FROM unnest(a_types, a_datas) WITH ORDINALITY AS new (t, d, n);
            END IF;
            outcome := 0;
            RETURN;
        END IF;
        -- The key is kept already: put the head back (we hold its row; nobody saw it).
        IF count > 0 AND a_expected = 0 THEN
            DELETE FROM {s}.streams WHERE stream = a_stream;
        ELSIF count > 0 THEN
            UPDATE {s}.streams SET version = a_expected, unpublished = nullif(unpublished, a_expected + 1) WHERE stream = a_stream;
        END IF;
    END IF;
    SELECT first, last, epoch, digest FROM {s}.keys WHERE stream = a_stream AND key = a_key INTO a_first, a_last, a_epoch, kept;
    IF NOT FOUND THEN
        SELECT 2, coalesce((SELECT version FROM {s}.streams WHERE stream = a_stream), 0) INTO outcome, a_last;
    ELSIF kept = a_digest THEN
        outcome := 1;
    ELSE
        outcome := 3;
    END IF;
END $$;
""",
)

APPEND = """SELECT outcome, a_first, a_last, a_epoch FROM {s}.append(
    $1::text, $2::int8, $3::text[], $4::bytea[], $5::text, $6::bytea, $7::text, $8::text, $9::text)"""

# The usual append, of one event, as one plain statement: a fifth quicker than the function. It gives no row where the version was wrong
# and a unique violation where the key is kept; the function then says which.
_ONE_EVENT = """WITH head AS ({head} RETURNING streams.version),
    kept AS (INSERT INTO {{s}}.keys SELECT $1, $5::text, $6::bytea, $2, head.version, epoch FROM head, {{s}}.meta RETURNING epoch),
    stored AS (INSERT INTO {{s}}.events SELECT $1, $2 + 1, $3::text, $5, $7::text, $8::text, $9::text, epoch, '', '', $4::bytea FROM kept)
    SELECT 0, $2, $2 + 1, epoch FROM kept"""
FIRST_EVENT = _ONE_EVENT.format(
    head="INSERT INTO {s}.streams (stream, version, unpublished) VALUES ($1::text, $2::int8 + 1, 1) ON CONFLICT DO NOTHING"
)
NEXT_EVENT = _ONE_EVENT.format(
    head="""UPDATE {s}.streams SET version = $2::int8 + 1, unpublished = coalesce(unpublished, $2 + 1)
    WHERE stream = $1::text AND version = $2"""
)

# One snapshot for everything: the first row holds the head and the kept key's answer, the others are the events.
LOAD = """SELECT -1::int8 AS version,
        int8send(coalesce((SELECT version FROM {s}.streams WHERE stream = $1::text), 0)) || coalesce(
        (SELECT int8send(first) || int8send(last) || int4send(epoch) || digest FROM {s}.keys WHERE stream = $1 AND key = $2::text), '')
        AS data
    UNION ALL SELECT version, data FROM {s}.events WHERE stream = $1 AND version > $3::int8
    ORDER BY version"""

RECORDED = "stream, version, type, data, key, cause, trace, time, epoch, subject, key_id"  # as the fields of Recorded
