-- The events of a ledgerstone log, its marks, and the index over them.
--
-- Appending touches the right edge of events or system_events and nothing else; what is looked up by
-- stream, tag, type or id stands in postings and event_ids, which follow later, in sorted runs.

-- record: everything of an event but its payload, in the layout of ledgerstone_core's record.rs.
-- data: the payload, byte for byte; for JSON, `CAST(data AS TEXT)` shows it.
CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    record BLOB NOT NULL,
    data BLOB NOT NULL
) STRICT;

CREATE TABLE system_events (
    position INTEGER PRIMARY KEY,
    record BLOB NOT NULL,
    data BLOB NOT NULL
) STRICT;

-- term: a hash of (count, tenant, kind, text); first: the first position in the block;
-- positions: how they go on, see events/postings.rs.
CREATE TABLE postings (
    term INTEGER NOT NULL,
    first INTEGER NOT NULL,
    positions BLOB NOT NULL,
    PRIMARY KEY (term, first)
) STRICT, WITHOUT ROWID;

-- run: which stretch of which count; first: the beginning of the smallest id in the block;
-- ids: beginnings of ids and where they stand, see events/id_index.rs.
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

-- log (the id), epoch, seed (of the hashes), indexed and indexed_system (how far postings reach).
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;
