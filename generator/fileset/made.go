package fileset

// Made gives the bytes that were made from something before, by the key of what they were made from; nil where it has
// none. Whoever asks makes them otherwise, and gets the same bytes. A nil Made has nothing.
type Made func(key string) []byte

// Get asks m.
func (m Made) Get(key string) []byte {
	if m == nil {
		return nil
	}
	return m(key)
}
