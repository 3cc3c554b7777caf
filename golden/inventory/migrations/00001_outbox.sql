-- The outbox: events wait here from the commit that made them until the broker has accepted them.
-- Rows are inserted by the business transaction and deleted by the relay; nothing is updated on the happy path.
-- Strings compare byte by byte: keys that differ in case are different keys. Times are UTC.

-- +goose Up
CREATE TABLE outbox (
  id          BIGINT        NOT NULL AUTO_INCREMENT PRIMARY KEY,
  shard       SMALLINT      NOT NULL,
  topic       VARCHAR(249)  NOT NULL,
  `key`       VARBINARY(512) NOT NULL,
  event_id    BINARY(16)    NOT NULL,
  type        VARCHAR(512)  NOT NULL,
  payload     MEDIUMBLOB    NOT NULL,
  headers     TEXT          NULL,          -- JSON object, NULL when there are none
  traceparent VARCHAR(64)   NOT NULL,
  created_at  DATETIME(6)   NOT NULL,
  attempts    SMALLINT      NOT NULL DEFAULT 0,  -- refusals by the broker; an outage is not one
  last_error  VARCHAR(500)  NOT NULL DEFAULT ''
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Which relay publishes which shard. The epoch grows when a shard changes hands or a dead letter is requeued.
CREATE TABLE outbox_lease (
  shard      SMALLINT     NOT NULL PRIMARY KEY,
  owner      VARCHAR(128) NULL,
  epoch      BIGINT       NOT NULL DEFAULT 0,
  expires_at DATETIME(6)  NOT NULL DEFAULT '2000-01-01 00:00:00'
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
INSERT INTO outbox_lease (shard)
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 63) SELECT i FROM n;

-- Relays that are alive, for a fair share of the shards.
CREATE TABLE outbox_relay (
  id      VARCHAR(128) NOT NULL PRIMARY KEY,
  seen_at DATETIME(6)  NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE outbox_dead (
  id          BIGINT        NOT NULL PRIMARY KEY,
  shard       SMALLINT      NOT NULL,
  topic       VARCHAR(249)  NOT NULL,
  `key`       VARBINARY(512) NOT NULL,
  event_id    BINARY(16)    NOT NULL,
  type        VARCHAR(512)  NOT NULL,
  payload     MEDIUMBLOB    NOT NULL,
  headers     TEXT          NULL,
  traceparent VARCHAR(64)   NOT NULL,
  created_at  DATETIME(6)   NOT NULL,
  attempts    SMALLINT      NOT NULL,
  last_error  VARCHAR(500)  NOT NULL,
  dead_at     DATETIME(6)   NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- A key with a dead letter waits here until an operator requeues or skips the letter.
CREATE TABLE outbox_blocked (
  topic   VARCHAR(249)   NOT NULL,
  `key`   VARBINARY(512) NOT NULL,
  dead_id BIGINT         NOT NULL,
  since   DATETIME(6)    NOT NULL,
  PRIMARY KEY (topic, `key`)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- +goose Down
DROP TABLE outbox_blocked, outbox_dead, outbox_relay, outbox_lease, outbox;
