-- An index of the folders below `batches/`: it can be made again from them.
CREATE TABLE batch(
  id         TEXT PRIMARY KEY,
  name       TEXT UNIQUE,
  flow       TEXT NOT NULL,
  source     TEXT NOT NULL,
  standing   TEXT NOT NULL,
  jobs       INTEGER NOT NULL,
  created    INTEGER NOT NULL,
  ended      INTEGER,
  parent     TEXT,
  generation INTEGER NOT NULL
) STRICT;
CREATE INDEX batch_source ON batch(source, created);
