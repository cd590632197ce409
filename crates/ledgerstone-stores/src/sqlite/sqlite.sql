-- The events of a ledgerstone log, its marks, and the index over them.
--
-- Appending touches the right edge of events or system_events and nothing else; what is looked up by
-- stream, tag, type or id stands in postings and event_ids, which follow later, in sorted runs.

-- sum: vouches for record and data, see events/checksum.rs; an event whose sum does not match is not read.
-- record: everything of an event but its payload, in the layout of ledgerstone_core's record.rs.
-- data: the payload, byte for byte; for JSON, `CAST(data AS TEXT)` shows it.
CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    sum INTEGER NOT NULL,
    record BLOB NOT NULL,
    data BLOB NOT NULL
) STRICT;

CREATE TABLE system_events (
    position INTEGER PRIMARY KEY,
    sum INTEGER NOT NULL,
    record BLOB NOT NULL,
    data BLOB NOT NULL
) STRICT;

-- The application events as people read them: `SELECT * FROM readable_events WHERE stream = 'account-42'`.
-- It takes the texts out of the record by their lengths (bytes 64 to 69) and looks at every event.
CREATE VIEW readable_events (position, tenant, stream, type, data) AS
    WITH digits AS (
        SELECT position, record, data,
            hex(substr(record, 65, 2)) AS t, hex(substr(record, 67, 2)) AS s, hex(substr(record, 69, 2)) AS e
        FROM events
    ), lengths AS (
        SELECT position, record, data,
            16 * instr('123456789ABCDEF', substr(t, 1, 1)) + instr('123456789ABCDEF', substr(t, 2, 1))
            + 4096 * instr('123456789ABCDEF', substr(t, 3, 1)) + 256 * instr('123456789ABCDEF', substr(t, 4, 1)) AS t,
            16 * instr('123456789ABCDEF', substr(s, 1, 1)) + instr('123456789ABCDEF', substr(s, 2, 1))
            + 4096 * instr('123456789ABCDEF', substr(s, 3, 1)) + 256 * instr('123456789ABCDEF', substr(s, 4, 1)) AS s,
            16 * instr('123456789ABCDEF', substr(e, 1, 1)) + instr('123456789ABCDEF', substr(e, 2, 1))
            + 4096 * instr('123456789ABCDEF', substr(e, 3, 1)) + 256 * instr('123456789ABCDEF', substr(e, 4, 1)) AS e
        FROM digits
    )
    SELECT position,
        CAST(substr(record, 89, t) AS TEXT),
        CAST(substr(record, 89 + t, s) AS TEXT),
        CAST(substr(record, 89 + t + s, e) AS TEXT),
        CAST(data AS TEXT)
    FROM lengths;

-- term: a hash of (count, tenant, kind, text); first: the first position in the block;
-- positions: how they go on, see events/postings.rs.
CREATE TABLE postings (
    term INTEGER NOT NULL,
    first INTEGER NOT NULL,
    positions BLOB NOT NULL,
    PRIMARY KEY (term, first)
) STRICT, WITHOUT ROWID;

-- run: which stretch of which count; first: the smallest key in the block;
-- ids: keys of event ids and where those stand, see events/id_index.rs.
CREATE TABLE event_ids (
    run INTEGER NOT NULL,
    first INTEGER NOT NULL,
    ids BLOB NOT NULL,
    PRIMARY KEY (run, first)
) STRICT, WITHOUT ROWID;

-- Whose events there are, the default tenant's name being empty.
CREATE TABLE tenants (
    name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE marks (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    number INTEGER NOT NULL,
    value BLOB NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX marks_by_expiry ON marks (expires_at) WHERE expires_at IS NOT NULL;

-- log (the id), epoch, seed (of the hashes), indexed and indexed_system (how far postings reach),
-- retired (the highest version of any mark that went away);
-- after a restore also head and head_system (never below the newest event), and for its epoch n
-- "epoch n forked from" (log, application head and system head); during one, restoring (the heads before it).
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;
