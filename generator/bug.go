package generator

// BugError is an error that no input should be able to cause.
type BugError struct{ Err error }

func (e *BugError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *BugError) Unwrap() error { return e.Err }
