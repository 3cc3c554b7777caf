package main

import "fmt"

// goal is one ratio the service wants to reach, within one table of this run.
type goal struct {
	text   string
	limit  float64
	atMost bool
	unit   string
	table  string
	value  func(t *table) (spread, bool)
}

// standing is a goal and where it is.
type standing struct {
	goal
	spread
	measured bool
}

func (s standing) reached() bool {
	if s.atMost {
		return s.median <= s.limit
	}
	return s.median >= s.limit
}

// share is 1 at the limit and grows with what is better.
func (s standing) share() float64 {
	if s.atMost {
		return s.limit / max(s.median, s.limit/10)
	}
	return s.median / s.limit
}

func (b *bench) standings() []standing {
	var out []standing
	for _, g := range goals() {
		s := standing{goal: g}
		for _, t := range b.tables {
			if t.title == g.table && len(t.rounds) > 0 {
				s.spread, s.measured = g.value(t)
			}
		}
		out = append(out, s)
	}
	return out
}

// ratioOf is a goal's value: ours to theirs, round by round.
func ratioOf(ours, theirs string, of func(sample) float64) func(*table) (spread, bool) {
	return func(t *table) (spread, bool) { return t.ratio(ours, theirs, of) }
}

// more is what ours has beyond theirs, round by round.
func more(ours, theirs string, of func(sample) float64) func(*table) (spread, bool) {
	return func(t *table) (spread, bool) {
		var out []float64
		for _, r := range t.rounds {
			a, ok1 := r[ours]
			b, ok2 := r[theirs]
			if ok1 && ok2 {
				out = append(out, of(a)-of(b))
			}
		}
		if len(out) == 0 {
			return spread{}, false
		}
		return spreadOf(out), true
	}
}

// toLeast is the ratio of ours to the least of others.
func toLeast(ours string, of func(sample) float64, others ...string) func(*table) (spread, bool) {
	return func(t *table) (spread, bool) {
		var out []float64
		for _, r := range t.rounds {
			best := 0.0
			for _, name := range others {
				if s, ok := r[name]; ok && (best == 0 || of(s) < best) {
					best = of(s)
				}
			}
			if s, ok := r[ours]; ok && best > 0 {
				out = append(out, of(s)/best)
			}
		}
		if len(out) == 0 {
			return spread{}, false
		}
		return spreadOf(out), true
	}
}

func goals() []goal {
	perSecond := func(s sample) float64 { return s.Rate }
	cpu := func(s sample) float64 { return s.CPU }
	var out []goal
	for _, how := range []struct{ text, name string }{{"tx.Exec", inTx}, {"tx.Queue", inTxQueued}, {"tx.Queue and shared commits", inTxShared}} {
		for _, n := range []int{1, 16, 64} {
			out = append(out, goal{
				text:  fmt.Sprintf("order and event by %s / by hand without event, %d clients", how.text, n),
				limit: 1.2, unit: " ×", table: txTitle("PostgreSQL", n), value: ratioOf(how.name, byHand, perSecond),
			})
		}
	}
	drains := func(broker, title string, rawLimit float64) {
		against := []struct {
			who, name string
			limit     float64
		}{
			{"the raw client", raw, rawLimit}, {"Watermill's forwarder", waterName, 5}, {"River", riverName, 2.5},
			{"oagudo/outbox", oagudo, 20}, {"a SKIP LOCKED loop, 1 worker", loopOne, 1.3}, {"a SKIP LOCKED loop, 2 workers", loopTwo, 1.3},
		}
		for _, a := range against {
			out = append(out, goal{text: "drain to " + broker + " / " + a.who, limit: a.limit, unit: " ×", table: title, value: ratioOf(relay, a.name, perSecond)})
		}
	}
	drains("RabbitMQ", drainRabbit, 0.9)
	drains("Kafka", drainTopics, 0.5)
	return append(out,
		goal{text: "drain beside a held snapshot / without", limit: 0.8, unit: " ×", table: snapshotTitle, value: ratioOf(held, quiet, perSecond)},
		goal{text: "commits a second beside the relay / without it, 64 clients", limit: 0.9, unit: " ×", table: steadyTitle, value: ratioOf(relayOnly, noRelay, perSecond)},
		goal{text: "commit to confirm beyond a raw confirm, p50", limit: 2, atMost: true, unit: " ms", table: latencyTitle,
			value: more(latencyRelay, rawConfirm, func(s sample) float64 { return s.P50 })},
		goal{text: "commit to confirm / the best peer's, p99", limit: 1, atMost: true, unit: " ×", table: latencyTitle,
			value: toLeast(latencyRelay, func(s sample) float64 { return s.P99 }, latencyLoop, latencyWater, latencyRiver)},
		goal{text: "server chain / bare grpc-go, CPU", limit: 1.25, atMost: true, unit: " ×", table: grpcTitle, value: ratioOf(chain, bare, cpu)},
		goal{text: "server chain beyond bare grpc-go, allocations", limit: 15, atMost: true, table: grpcTitle,
			value: more(chain, bare, func(s sample) float64 { return s.Allocs })},
		goal{text: "server chain / the leaner of go-zero and kratos, CPU", limit: 1, atMost: true, unit: " ×", table: grpcTitle,
			value: toLeast(chain, cpu, goZero, goKratos)},
		goal{text: "shared commits / a transaction a request, SQLite, 16 clients", limit: 5, unit: " ×", table: sqliteTitle(16), value: ratioOf(shared, alone, perSecond)},
		goal{text: "shared commits / a transaction a request, SQLite, 64 clients", limit: 5, unit: " ×", table: sqliteTitle(64), value: ratioOf(shared, alone, perSecond)},
	)
}
