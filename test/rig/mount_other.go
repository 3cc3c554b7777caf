//go:build !linux

package rig

import "fmt"

func mountMemory(string, int64) error {
	return fmt.Errorf("%w: a small disk can be mounted on Linux only", ErrUnavailable)
}

func unmount(string) error { return nil }
