package ir

func (r *resolver) registry() {}
