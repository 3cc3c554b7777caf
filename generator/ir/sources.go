package ir

func (r *resolver) sources() []Source { return nil }
