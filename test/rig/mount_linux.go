package rig

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// mountMemory makes dir a file system of size bytes in memory.
func mountMemory(dir string, size int64) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	err := syscall.Mount("svcgen-rig", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size))
	if errors.Is(err, syscall.EPERM) {
		return fmt.Errorf("%w: mounting a small disk needs root", ErrUnavailable)
	}
	if err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	return nil
}

// unmount takes it away. A server's last children may need a moment to let go of it.
func unmount(dir string) error {
	var err error
	for range 50 {
		if err = syscall.Unmount(dir, 0); !errors.Is(err, syscall.EBUSY) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", dir, err)
	}
	return nil
}
