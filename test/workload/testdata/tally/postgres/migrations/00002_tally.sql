-- +goose Up
CREATE TABLE total (key text PRIMARY KEY, version bigint NOT NULL) WITH (fillfactor = 50);
CREATE TABLE entry (op text PRIMARY KEY, key text NOT NULL, version bigint NOT NULL);

-- +goose Down
DROP TABLE entry, total;
