-- A batch. Times are microseconds: `*_us` since the batch was accepted (meta.accepted: since 1970), `*_ns` are durations.

CREATE TABLE meta(key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;

-- Tenants and priorities: few pairs, many jobs.
CREATE TABLE class(id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, priority INTEGER NOT NULL, UNIQUE(tenant, priority)) STRICT;

CREATE TABLE status(id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;

-- How jobs ended: exactly one row a job. Positions are one sequence over record, event, setback, crash and delivery.
CREATE TABLE record(
  position    INTEGER PRIMARY KEY,
  place       INTEGER NOT NULL UNIQUE,
  job_id      TEXT NOT NULL,
  class       INTEGER NOT NULL,
  status      INTEGER NOT NULL,
  by_attempt  INTEGER NOT NULL,
  attempts    INTEGER NOT NULL,
  queued_us   INTEGER NOT NULL,
  started_us  INTEGER,
  finished_us INTEGER NOT NULL,
  waited_ns   INTEGER NOT NULL,
  ran_ns      INTEGER NOT NULL,
  error_class TEXT,
  output      TEXT,
  error       TEXT
) STRICT;
CREATE INDEX record_error ON record(position) WHERE error IS NOT NULL;

-- How many records of each status, so that nobody counts millions of rows.
CREATE TABLE tally(status INTEGER PRIMARY KEY, jobs INTEGER NOT NULL) STRICT;

-- What happened to the batch as a whole.
CREATE TABLE event(position INTEGER PRIMARY KEY, kind TEXT NOT NULL, at INTEGER NOT NULL, body TEXT) STRICT;

-- Jobs that failed and will run again. The record of a job's end deletes its row.
CREATE TABLE setback(
  position      INTEGER PRIMARY KEY,
  place         INTEGER NOT NULL UNIQUE,
  attempts      INTEGER NOT NULL,
  first_started INTEGER NOT NULL,
  due           INTEGER NOT NULL,
  failures      TEXT NOT NULL,
  history       TEXT NOT NULL,
  given_up      TEXT NOT NULL
) STRICT;

-- Jobs whose host died while they ran.
CREATE TABLE crash(
  position INTEGER PRIMARY KEY,
  place    INTEGER NOT NULL UNIQUE,
  crashes  INTEGER NOT NULL,
  at       INTEGER NOT NULL
) STRICT;

-- How far each sink has got.
CREATE TABLE delivery(
  sink     TEXT PRIMARY KEY,
  position INTEGER NOT NULL,
  upto     INTEGER NOT NULL,
  mark     TEXT
) STRICT, WITHOUT ROWID;

-- States of flows. `thread` is the job's id; ids are stored less 2^63, so that they sort as they are meant.
CREATE TABLE checkpoint(
  thread TEXT NOT NULL,
  id     INTEGER NOT NULL,
  body   TEXT NOT NULL,
  PRIMARY KEY(thread, id)
) STRICT, WITHOUT ROWID;

INSERT INTO status VALUES (0, 'succeeded'), (1, 'failed'), (2, 'timed_out'), (3, 'cancelled'), (4, 'skipped'), (5, 'quarantined');

CREATE VIEW results AS
SELECT record.place AS sequence, record.job_id, class.tenant, class.priority, status.name AS status, record.output, record.error,
       record.attempts,
       strftime('%Y-%m-%dT%H:%M:%fZ', (accepted.value + queued_us) / 1e6, 'unixepoch') AS queued_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', (accepted.value + started_us) / 1e6, 'unixepoch') AS started_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', (accepted.value + finished_us) / 1e6, 'unixepoch') AS finished_at,
       waited_ns / 1e9 AS queue_seconds, ran_ns / 1e9 AS duration_seconds, record.position
FROM record
JOIN class ON class.id = record.class
JOIN status ON status.id = record.status
JOIN meta AS accepted ON accepted.key = 'accepted';

-- What is known of each job: its end, or that it will run again. A job that is in neither has not ended an attempt yet.
CREATE VIEW jobs AS
SELECT record.place AS sequence, record.job_id, status.name AS state, record.attempts, coalesce(crash.crashes, 0) AS crashes,
       NULL AS due_at
FROM record JOIN status ON status.id = record.status LEFT JOIN crash ON crash.place = record.place
UNION ALL
SELECT setback.place, NULL, 'retrying', setback.attempts, coalesce(crash.crashes, 0),
       strftime('%Y-%m-%dT%H:%M:%fZ', setback.due / 1e6, 'unixepoch')
FROM setback LEFT JOIN crash ON crash.place = setback.place
UNION ALL
SELECT crash.place, NULL, 'interrupted', 0, crash.crashes, NULL
FROM crash
WHERE NOT EXISTS (SELECT 1 FROM record WHERE record.place = crash.place)
  AND NOT EXISTS (SELECT 1 FROM setback WHERE setback.place = crash.place);

-- Every attempt that failed.
CREATE VIEW attempts AS
SELECT record.place AS sequence, record.job_id, try.value ->> 'attempt' AS attempt, try.value ->> 'class' AS class,
       try.value ->> 'message' AS message, try.value ->> 'at' AS at, try.value ->> 'duration_seconds' AS duration_seconds
FROM record, json_each(record.error, '$.history') AS try
WHERE record.error IS NOT NULL
UNION ALL
SELECT setback.place, NULL, try.value ->> 'attempt', try.value ->> 'class', try.value ->> 'message', try.value ->> 'at',
       try.value ->> 'duration_seconds'
FROM setback, json_each(setback.history) AS try;

-- Why jobs did not succeed, the most frequent reason first.
CREATE VIEW errors AS
SELECT count(*) AS jobs, status.name AS status, record.error ->> 'class' AS class, record.error ->> 'code' AS code,
       record.error ->> 'node' AS node, min(record.place) AS sequence, record.job_id, record.error ->> 'message' AS message
FROM record JOIN status ON status.id = record.status
WHERE record.error IS NOT NULL
GROUP BY record.status, record.error ->> 'class', record.error ->> 'code', record.error ->> 'node'
ORDER BY jobs DESC, sequence;
