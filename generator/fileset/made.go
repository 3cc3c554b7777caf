package fileset

// Made is what was made before. The zero Made is nothing.
type Made struct {
	ByKey  func(key string) *Kept
	ByPath func(path string) []byte
}

// Get is what was made before from what has that key; nil where that is not at hand. Whoever asks makes it otherwise, and gets the
// same bytes.
func (m Made) Get(key string) *Kept {
	if m.ByKey == nil {
		return nil
	}
	return m.ByKey(key)
}

// Last is what was made for path before, from whatever that was; nil where it is not at hand.
func (m Made) Last(path string) []byte {
	if m.ByPath == nil {
		return nil
	}
	return m.ByPath(path)
}

// Kept is a file that was made before, or one without a hash that is being made.
type Kept struct {
	Hash string                 // of its content
	Read func() ([]byte, error) // reads it from the tree; nil for a file of the user's, which is made again where it is needed
}

// InTheMaking reports whether it is being made still: see Set.Finish.
func (k *Kept) InTheMaking() bool { return k != nil && k.Hash == "" }
