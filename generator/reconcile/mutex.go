package reconcile

import (
	"fmt"
	"os"
	"strings"
)

// HeldError says that another svcgen writes to the tree.
type HeldError struct {
	Holder string // pid and host, as the other one wrote them
	File   string // to remove by hand where the system cannot tell whether the holder lives; else empty
}

func (e *HeldError) Error() string {
	holder := strings.TrimSpace(e.Holder)
	if holder == "" {
		holder = "unknown process"
	}
	message := "another svcgen is at work here: " + holder
	if e.File != "" {
		message += fmt.Sprintf("; if it is not running any more, remove %s", e.File)
	}
	return message
}

// describe writes who holds the lock into it.
func describe(f *os.File) error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(fmt.Appendf(nil, "pid %d on %s\n", os.Getpid(), host), 0)
	return err
}
