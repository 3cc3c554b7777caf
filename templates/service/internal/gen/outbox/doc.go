// Package outbox carries events from committed transactions to the broker: at least once, and in commit order per
// topic and key.
//
// A transaction adds messages to the outbox table (store.Tx.Emit). The relay reads the oldest pending rows,
// publishes them and deletes each one after the broker has accepted it. A row that is there is pending; there is
// no cursor to lose. What the table looks like to the relay is Queue, implemented by package store for the chosen
// database; where messages go is Publisher, implemented by package broker. The package knows neither SQL nor a
// wire format, and it does not remove duplicates: that is the consumer's inbox.
//
// # The order theorem
//
// Suppose that
//
//  1. every transaction that emits for a key holds the key's lock (the row it updates, or SQLite's write lock) from
//     before its outbox row gets its number until it has committed;
//  2. a relay publishes the rows of a key by number, starting with the oldest it can see, and never hands over
//     row n+1 before row n was accepted, or was found deleted;
//  3. a row is deleted only after the broker has accepted it.
//
// Then the first occurrences of the key's events in the broker are in commit order and none is missing, whatever
// the number of relays, crashes, restarts and expired leases. For by (1) row n+1 gets its number after row n is
// visible, so who sees n+1 sees n or its absence; by (3) an absent n was accepted; and by (2) nobody overtakes it.
// What is not promised: that an event comes once (a relay that dies between the answer and the delete, or two that
// work on one shard, send it again, with the same id), and any order between different keys or topics. A key whose
// event was refused for good waits for an operator under the policy block_key; under skip it goes on without it.
//
// # Where each rule lives
//
//	relay.go    leases, start and stop
//	lane.go     one loop over some shards: fetch ahead, send, delete behind; never more than its share of memory
//	key.go      rule 2: one key's rows, and when the next may go
//	breaker.go  a destination that is down costs the others nothing, and no row an attempt
//	settle.go   rule 3, refusals and dead letters
package outbox
