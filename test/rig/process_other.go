//go:build !unix

package rig

import (
	"fmt"
	"os/exec"
)

// The rig needs process groups and POSIX signals; elsewhere tests take servers from the environment.
var errUnix = fmt.Errorf("%w: the rig runs on Unix only", ErrUnavailable)

func own(*exec.Cmd, string) error           { return errUnix }
func giveTo(string, string) error           { return errUnix }
func killTree(int) ([]int, error)           { return nil, errUnix }
func awaitDeath([]int) error                { return errUnix }
func pauseTree(int) ([]int, error)          { return nil, errUnix }
func resumeTree(int) ([]int, error)         { return nil, errUnix }
func quitProcess(int) error                 { return errUnix }
func lockFile(string) (func() error, error) { return nil, errUnix }
