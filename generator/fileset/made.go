package fileset

// Made gives what was made from something before, by the key of what it was made from; nil where it has none. Whoever asks
// makes it otherwise, and gets the same bytes. A nil Made has nothing.
type Made func(key string) *Kept

// Kept is a file that was made before, or one without a hash that is being made.
type Kept struct {
	Hash string                 // of its content
	Read func() ([]byte, error) // reads it from the tree; nil for a file of the user's, which is made again where it is needed
}

// InTheMaking reports whether it is being made still: see Set.Finish.
func (k *Kept) InTheMaking() bool { return k != nil && k.Hash == "" }

// Get asks m.
func (m Made) Get(key string) *Kept {
	if m == nil {
		return nil
	}
	return m(key)
}
