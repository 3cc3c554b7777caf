-- +goose Up

-- One row per event that no broker has accepted yet. Rows are inserted by the business transaction and deleted
-- by the relay; nothing is updated on the happy path. The identity must stay CACHE 1: the order of ids within a
-- key is the order of commits. There is no index on shard: a relay reads the head of the table by id and skips
-- what is not its own, which is cheaper than a second index on every insert.
CREATE TABLE outbox (
    id          bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    shard       smallint NOT NULL,
    topic       text NOT NULL,
    key         text NOT NULL,
    event_id    uuid NOT NULL,
    type        text NOT NULL,
    payload     bytea NOT NULL,
    headers     jsonb,
    traceparent text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    attempts    smallint NOT NULL DEFAULT 0,
    last_error  text NOT NULL DEFAULT ''
) WITH (
    -- A queue is vacuumed by the number of rows that passed through it, not by a share of its size.
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_cost_delay = 0
);

-- Which relay publishes which shard. The epoch grows when a shard changes hands or a dead letter is requeued.
CREATE TABLE outbox_lease (
    shard      smallint PRIMARY KEY,
    owner      text,
    epoch      bigint NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50);
INSERT INTO outbox_lease (shard) SELECT generate_series(0, 63);

-- Relays that are alive, for a fair share of the shards.
CREATE TABLE outbox_relay (
    id      text PRIMARY KEY,
    seen_at timestamptz NOT NULL
);

CREATE TABLE outbox_dead (
    id          bigint PRIMARY KEY,
    shard       smallint NOT NULL,
    topic       text NOT NULL,
    key         text NOT NULL,
    event_id    uuid NOT NULL,
    type        text NOT NULL,
    payload     bytea NOT NULL,
    headers     jsonb,
    traceparent text NOT NULL,
    created_at  timestamptz NOT NULL,
    attempts    smallint NOT NULL,
    last_error  text NOT NULL,
    dead_at     timestamptz NOT NULL DEFAULT now()
);

-- Keys that wait for a dead letter to be requeued or skipped.
CREATE TABLE outbox_blocked (
    topic   text NOT NULL,
    key     text NOT NULL,
    dead_id bigint NOT NULL,
    since   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, key)
);

-- +goose Down
DROP TABLE outbox_blocked, outbox_dead, outbox_relay, outbox_lease, outbox;
