package faults

import "github.com/svcgen/svcgen/test/subject"

// The files that bugs are patched into, below an emitted service.
const (
	appFile    = "internal/gen/app/service.go"
	brokerFile = "internal/gen/broker/session.go"
	outboxDir  = "internal/gen/outbox/"
	storeDir   = "internal/gen/store/"
)

// publishEarly writes an event's row by a transaction of its own, when it is emitted: the business transaction may
// still fail.
var publishEarly = []subject.Patch{
	{File: storeDir + "tx.go", Old: "\tended bool\n}\n", New: "\tended bool\n\tqueue *Queue\n}\n"},
	{File: storeDir + "tx.go", Old: "tx := &Tx{Tx: begun, lazy: begun, ctx: ctx}", New: "tx := &Tx{Tx: begun, lazy: begun, ctx: ctx, queue: db.queue}"},
	{
		File: storeDir + "tx.go",
		Old:  "\ttx.msgs = append(tx.msgs, m)\n\treturn nil\n",
		New: `	b := &pgx.Batch{}
	if err := queueRows(b, []outbox.Message{m}); err != nil {
		return err
	}
	return tx.queue.pool.SendBatch(tx.ctx, b).Close()
`,
	},
}

// keepUndone publishes the events of a call that failed inside a commit that others share.
var keepUndone = []subject.Patch{{
	File: storeDir + "commit.go",
	Old:  "\t\t\tb = c.undo(b, nested)\n",
	New:  "\t\t\tb.msgs = append(b.msgs, tx.msgs...)\n\t\t\tb = c.undo(b, nested)\n",
}}

// deleteBeforeAck takes what was handed to the broker's client for published.
var deleteBeforeAck = []subject.Patch{{
	File: outboxDir + "send.go",
	Old: `		l.r.p.Publish(ctx, &it.rec.Message, func(err error) {
			if err != nil {
				q.failed.Store(true)
			}
			l.inbox.put(func(in *inbox) { in.answers = append(in.answers, answer{it, err}) })
		})
`,
	New: `		l.r.p.Publish(ctx, &it.rec.Message, func(error) {})
		l.inbox.put(func(in *inbox) { in.answers = append(in.answers, answer{it, nil}) })
`,
}}

// countOutages makes every failure an attempt of the event, and knows no destination that is down.
var countOutages = []subject.Patch{
	{File: outboxDir + "breaker.go", Old: "const tripAfter = 5\n", New: "const tripAfter = 1 << 30\n"},
	{File: outboxDir + "send.go", Old: "\tcase failed && IsRejection(q.items[0].err):\n", New: "\tcase failed:\n"},
}

// askBroker makes a service that cannot publish unready.
var askBroker = []subject.Patch{{
	File: appFile,
	Old:  "Ready: s.ready.Err,",
	New:  "Ready: func() error { return errors.Join(s.ready.Err(), s.broker.Status()) },",
}}

// notMandatory lets RabbitMQ drop and confirm what no queue wants.
var notMandatory = []subject.Patch{{File: brokerFile, Old: "s.cfg.Mandatory, false, publishing(", New: "false, false, publishing("}} //nolint:dupword // it is code

// settleFirst looks for returns before it waits for the confirm, not after.
var settleFirst = []subject.Patch{{
	File: brokerFile,
	Old: `		s.await(p)
		// The broker sends the return of an unroutable message before its confirm, and the library's reader has put
		// it into the channel before it resolved the confirm.
		s.collect(returned)
`,
	New: "\t\ts.collect(returned)\n\t\ts.await(p)\n",
}}

// ignoreNacks takes any answer for yes.
var ignoreNacks = []subject.Patch{{
	File: brokerFile,
	Old:  "\treturn errors.New(\"RabbitMQ did not take the message (nack)\")\n",
	New:  "\treturn nil\n",
}}

// overtake puts a refused event behind the others of its key, to be tried again later.
var overtake = []subject.Patch{{
	File: outboxDir + "settle.go",
	Old:  "\tdefault:\n\t\tl.pause(q, now, it.rec.Attempts+1)\n\t}\n}\n",
	New:  "\tdefault:\n\t\tq.items = append(q.items[1:], it)\n\t\tq.sent = 0\n\t\tl.enqueue(q)\n\t}\n}\n",
}}

// requeueBehind gives a dead letter that is put back a new id, behind its successors.
var requeueBehind = []subject.Patch{{
	File: storeDir + "admin.go",
	Old: `INSERT INTO outbox (id, shard, topic, key, event_id, type, payload, headers, traceparent, created_at) OVERRIDING SYSTEM VALUE
SELECT id, shard,`,
	New: `INSERT INTO outbox (shard, topic, key, event_id, type, payload, headers, traceparent, created_at)
SELECT shard,`,
}}

// rememberID reads on from the last id it has seen.
var rememberID = []subject.Patch{
	{
		File: storeDir + "floor.go",
		Old: `	to := r.decided.row
	if xmin >= f.decided.xid { // else it was decided by a later page, while this one was under way
		to = f.decided.row
	}
	if full && len(rows) > 0 {
		to = min(to, rows[len(rows)-1].Row)
	}
`,
		New: `	to := r.start
	if len(rows) > 0 {
		to = rows[len(rows)-1].Row
	}
`,
	},
	{File: storeDir + "floor.go", Old: "const sweepEvery = 5 * time.Second\n", New: "const sweepEvery = 1000 * time.Hour\n"},
	{File: storeDir + "floor.go", Old: "\tclear(f.shards)\n", New: ""},
}

// xminCursor reads what was written by transactions older than all that run, in the order in which they began to
// write.
var xminCursor = []subject.Patch{
	{
		File: storeDir + "queue.go",
		Old:  "WHERE o.id > $1\n",
		New:  "WHERE o.id > $1 AND o.xmin::text::bigint < pg_snapshot_xmin(pg_current_snapshot())::text::bigint\n",
	},
	{File: storeDir + "queue.go", Old: "ORDER BY o.id LIMIT $9`", New: "ORDER BY o.xmin::text::bigint, o.id LIMIT $9`"},
	{File: storeDir + "queue.go", Old: "newFloor(pooler)", New: "newFloor(true)"},
	inPageOrder,
}

// inPageOrder keeps the lane from sorting by id what it is given.
var inPageOrder = subject.Patch{
	File: outboxDir + "key.go",
	Old:  "\tfor at > q.sent && q.items[at-1].rec.Row > it.rec.Row {\n\t\tat--\n\t}\n",
	New:  "",
}

// drawFirst draws the row's id when the transaction begins, before it holds its key's lock.
var drawFirst = []subject.Patch{
	{
		File: storeDir + "tx.go",
		Old:  "\tif err := fn(ctx, tx); err != nil {\n",
		New: `	if err := tx.QueryRow(ctx, "SELECT nextval('outbox_id_seq')").Scan(new(int64)); err != nil {
		return err
	}
	if err := fn(ctx, tx); err != nil {
`,
	},
	{
		File: storeDir + "flush.go",
		Old:  "INSERT INTO outbox (shard, topic, key, event_id, type, payload, headers, traceparent)\nSELECT $1::smallint,",
		New: `INSERT INTO outbox (id, shard, topic, key, event_id, type, payload, headers, traceparent) OVERRIDING SYSTEM VALUE
SELECT currval('outbox_id_seq'), $1::smallint,`,
	},
}

// believe takes every row id that was drawn for decided: nobody could still commit below it.
var believe = []subject.Patch{{
	File: storeDir + "floor.go",
	Old:  "oldest: `SELECT pg_snapshot_xmin(pg_current_snapshot())::text`,",
	New:  "oldest: `SELECT '9223372036854775807'`,",
}}

// noLease lets every relay publish everything.
var noLease = []subject.Patch{
	{
		File: storeDir + "lease.go",
		Old:  "\tfor i := range held {\n\t\theld[i].Until = until\n\t}\n",
		New: `	held = held[:0]
	for shard := range int16(outbox.Shards) {
		held = append(held, outbox.Lease{Shard: shard, Epoch: 1, Until: until})
	}
`,
	},
	{
		File: storeDir + "queue.go",
		Old: `  AND o.shard = ANY (ARRAY(
      SELECT l.shard FROM outbox_lease AS l
      JOIN unnest($3::smallint[], $4::bigint[]) AS mine (shard, epoch) ON mine.shard = l.shard AND mine.epoch = l.epoch
      WHERE l.owner = $2))
`,
		New: "  AND o.shard = ANY ($3::smallint[]) AND $2::text IS NOT NULL AND $4::bigint[] IS NOT NULL\n",
	},
}

// skipLocked shares rows out, not keys: each relay takes the oldest that no other has taken.
var skipLocked = append([]subject.Patch{
	{
		File: storeDir + "queue.go",
		Old: `
SELECT o.id, o.shard, o.topic, o.key, o.event_id, o.type, o.payload, o.headers, o.traceparent, o.created_at, o.attempts
FROM outbox AS o
WHERE o.id > $1
`,
		New: `
WITH mine AS (UPDATE outbox SET last_error = $2 WHERE id IN (
SELECT o.id FROM outbox AS o
WHERE o.id > $1 AND o.last_error IN ('', $2)
`,
	},
	{
		File: storeDir + "queue.go",
		Old:  "ORDER BY o.id LIMIT $9`",
		New: `ORDER BY o.id LIMIT $9 FOR UPDATE SKIP LOCKED) RETURNING *)
SELECT o.id, o.shard, o.topic, o.key, o.event_id, o.type, o.payload, o.headers, o.traceparent, o.created_at, o.attempts
FROM mine AS o ORDER BY o.id` + "`",
	},
	{
		File: storeDir + "lease.go",
		Old:  "release = `UPDATE outbox_lease",
		New:  "release = `WITH free AS (UPDATE outbox SET last_error = '' WHERE last_error = $1) UPDATE outbox_lease",
	},
}, noLease...)

// deleteAtEnd deletes at shutdown all that the relay has read, sent or not.
var deleteAtEnd = []subject.Patch{{
	File: outboxDir + "lane.go",
	Old:  "\t\tif stopping && (hard.Err() != nil || l.quiet()) {\n\t\t\treturn\n",
	New: `		if stopping && (hard.Err() != nil || l.quiet()) {
			var rows []int64
			for row := range l.held {
				rows = append(rows, row)
			}
			_ = l.r.q.Delete(context.WithoutCancel(ctx), rows)
			return
`,
}}

// keepBuffer runs the function again with what it emitted before still there.
var keepBuffer = []subject.Patch{
	{
		File: storeDir + "tx.go",
		Old:  "\twait := backoff\n\tfor attempt := 1; ; attempt++ {\n\t\terr := db.once(ctx, fn)\n",
		New:  "\twait, tx := backoff, &Tx{ctx: ctx}\n\tfor attempt := 1; ; attempt++ {\n\t\terr := db.once(ctx, tx, fn)\n",
	},
	{File: storeDir + "tx.go", Old: "once(ctx context.Context, fn func", New: "once(ctx context.Context, tx *Tx, fn func"},
	{File: storeDir + "tx.go", Old: "\ttx := &Tx{Tx: begun, lazy: begun, ctx: ctx}\n", New: "\ttx.Tx, tx.lazy, tx.ended = begun, begun, false\n"}, //nolint:dupword // it is code
}

// unknownFails tells the caller that nothing was done when nobody knows.
var unknownFails = []subject.Patch{{
	File: appFile,
	Old:  "\t\treturn codes.Unknown, \"it is not known whether this was done\"\n",
	New:  "\t\treturn codes.Unavailable, \"temporarily unavailable\"\n",
}}

// trustMemory leaves the durability of commits to the server's default.
var trustMemory = []subject.Patch{{
	File: storeDir + "flush.go",
	Old:  "\treturn conn.PgConn().CustomData()[notDurable] != nil\n",
	New:  "\treturn false\n",
}}
