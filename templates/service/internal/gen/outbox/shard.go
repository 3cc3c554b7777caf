package outbox

import "hash/fnv"

// Shards is how many parts an outbox table that several relays share is split into.
const Shards = 64

// Shard is the part the rows of a key belong to: the 64-bit FNV-1a hash of topic, a zero byte and key, modulo
// Shards. It is stored with the row and must never change.
func Shard(topic, key string) int16 {
	h := fnv.New64a()
	// A hash never fails to write.
	_, _ = h.Write([]byte(topic))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write([]byte(key))
	return int16(h.Sum64() % Shards)
}
