//go:build unix

package rig

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// own puts cmd into a process group of its own and, when we are root, runs it as the named user.
func own(cmd *exec.Cmd, name string) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if name == "" || os.Geteuid() != 0 {
		return nil
	}
	uid, gid, err := lookup(name)
	if err != nil {
		return err
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return nil
}

// giveTo hands path to the named user when we are root.
func giveTo(path, name string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	uid, gid, err := lookup(name)
	if err != nil {
		return err
	}
	return os.Chown(path, uid, gid)
}

func lookup(name string) (uid, gid int, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, 0, fmt.Errorf("user to run the server as: %w", err)
	}
	if uid, err = strconv.Atoi(u.Uid); err != nil {
		return 0, 0, err
	}
	gid, err = strconv.Atoi(u.Gid)
	return uid, gid, err
}

// signalTree signals the process and all its descendants, and returns those. Process groups are not enough:
// every PostgreSQL backend is in a session of its own.
func signalTree(root int, sig syscall.Signal) ([]int, error) {
	// A stopped parent forks no child that the listing would miss.
	if err := syscall.Kill(root, syscall.SIGSTOP); err != nil {
		return nil, err
	}
	pids, err := descendants(root)
	if err != nil {
		return nil, err
	}
	for _, pid := range append(pids, root) {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return pids, fmt.Errorf("signal %d of %d: %w", pid, root, err)
		}
	}
	return pids, nil
}

func killTree(root int) error            { _, err := signalTree(root, syscall.SIGKILL); return err }
func pauseTree(root int) ([]int, error)  { return signalTree(root, syscall.SIGSTOP) }
func resumeTree(root int) ([]int, error) { return signalTree(root, syscall.SIGCONT) }
func quitProcess(pid int) error          { return syscall.Kill(pid, syscall.SIGQUIT) }

// descendants lists the children of root, their children, and so on.
func descendants(root int) ([]int, error) {
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		return nil, fmt.Errorf("ps: %w", err)
	}
	children := map[int][]int{}
	for line := range strings.Lines(string(out)) {
		var pid, parent int
		if _, err := fmt.Sscan(line, &pid, &parent); err != nil {
			return nil, fmt.Errorf("ps says %q: %w", line, err)
		}
		children[parent] = append(children[parent], pid)
	}
	found := children[root]
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i]]...)
	}
	return found, nil
}

// lockFile takes an exclusive lock that ends with the process or with the returned function.
func lockFile(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f.Close, nil
}
