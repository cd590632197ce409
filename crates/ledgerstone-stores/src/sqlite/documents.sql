-- The generations of collections. Each has its tables, named by its number, which is never used again:
-- documents_N (one typed column per declared field), document_elements_N (the elements of indexed arrays)
-- and document_words_N (the words of searchable fields).
CREATE TABLE document_collections (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    definition TEXT NOT NULL,
    -- The declared fields as JSON, in the order of the columns.
    fields TEXT NOT NULL,
    -- Rises with every change of the indexes.
    layout INTEGER NOT NULL DEFAULT 0,
    live INTEGER NOT NULL,
    checkpoint TEXT,
    UNIQUE (name, definition)
) STRICT;

CREATE UNIQUE INDEX document_collections_live ON document_collections (name) WHERE live;
