package main

import (
	"os"
	"syscall"
)

// peak is the largest resident set among the process and the children it waited for. It is never less than this
// program's own peak when it started the process: the kernel counts the memory a child shared before its exec.
func peak(state *os.ProcessState) int64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return usage.Maxrss << 10
}
