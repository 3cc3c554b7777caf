//go:build !linux

package main

import "os"

// peak is only read on Linux: other kernels report it in other units, or not at all.
func peak(*os.ProcessState) int64 { return 0 }
