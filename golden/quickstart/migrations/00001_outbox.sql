-- The outbox: events wait here from the commit that made them until the broker has accepted them.
-- AUTOINCREMENT never reuses an id, and SQLite has one writer, so the order of ids is the order of commits.

-- +goose Up
CREATE TABLE outbox (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  topic       TEXT    NOT NULL,
  key         TEXT    NOT NULL,
  event_id    BLOB    NOT NULL,            -- UUIDv7, the id consumers see
  type        TEXT    NOT NULL,
  payload     BLOB    NOT NULL,
  headers     TEXT,                        -- JSON object, NULL when there are none
  traceparent TEXT,
  created_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)), -- Unix milliseconds
  attempts    INTEGER NOT NULL DEFAULT 0,  -- refusals by the broker; an outage is not one
  last_error  TEXT
) STRICT;

CREATE TABLE outbox_dead (
  id          INTEGER PRIMARY KEY,
  topic       TEXT    NOT NULL,
  key         TEXT    NOT NULL,
  event_id    BLOB    NOT NULL,
  type        TEXT    NOT NULL,
  payload     BLOB    NOT NULL,
  headers     TEXT,
  traceparent TEXT,
  created_at  INTEGER NOT NULL,
  attempts    INTEGER NOT NULL,
  last_error  TEXT,
  dead_at     INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER))
) STRICT;

-- A key with a dead letter waits here until an operator requeues or skips the letter.
CREATE TABLE outbox_blocked (
  topic   TEXT    NOT NULL,
  key     TEXT    NOT NULL,
  dead_id INTEGER NOT NULL,
  since   INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
  PRIMARY KEY (topic, key)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE outbox_blocked;
DROP TABLE outbox_dead;
DROP TABLE outbox;
