-- What shares used in batches of this directory, for schedulers that remember it. It can not be made again.
CREATE TABLE usage(
  share     TEXT NOT NULL,
  unit      TEXT NOT NULL,    -- what amounts count: `seconds` or `cost`
  half_life INTEGER NOT NULL, -- of the host that wrote it, in microseconds
  moment    INTEGER NOT NULL, -- the middle of the sixteenth of that half-life in which it was used
  amount    REAL NOT NULL,    -- of all hosts together, not decayed
  PRIMARY KEY (share, unit, half_life, moment)
) STRICT, WITHOUT ROWID;
