//go:build unix

package rig

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
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

// signalTree signals the process and all its descendants, and returns them. Process groups are not enough:
// every PostgreSQL backend is in a session of its own.
func signalTree(root int, sig syscall.Signal) ([]int, error) {
	// A stopped parent forks no child that the listing would miss.
	if err := syscall.Kill(root, syscall.SIGSTOP); err != nil {
		return nil, err
	}
	pids, err := tree(root)
	if err != nil {
		return nil, err
	}
	for _, pid := range slices.Backward(pids) {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return pids, fmt.Errorf("signal %d of %d: %w", pid, root, err)
		}
	}
	return pids, nil
}

func killTree(root int) ([]int, error)   { return signalTree(root, syscall.SIGKILL) }
func resumeTree(root int) ([]int, error) { return signalTree(root, syscall.SIGCONT) }
func quitProcess(pid int) error          { return syscall.Kill(pid, syscall.SIGQUIT) }

// pauseTree stops the process and all its descendants, and returns them.
func pauseTree(root int) ([]int, error) {
	return settled("TZX", func() ([]int, error) {
		if _, err := signalTree(root, syscall.SIGSTOP); err != nil {
			return nil, err
		}
		return tree(root) // with a child of one that had not stopped when it was listed first
	})
}

// awaitDeath waits until processes are dead that were killed. Until then they have the ports and files that the next start wants.
func awaitDeath(pids []int) error {
	_, err := settled("ZX", func() ([]int, error) { return pids, nil })
	return err
}

// settleTimeout is how long processes may take to stop or to die: one that waits for a disk goes on until that has answered.
const settleTimeout = time.Minute

// settled waits until all threads of the processes that list returns are in one of the states, by the letters of proc(5). A
// signal is taken when the thread is scheduled next, and until then it works on. Without /proc there is no waiting.
func settled(states string, list func() ([]int, error)) ([]int, error) {
	deadline := time.Now().Add(settleTimeout)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		pids, err := list()
		if err != nil {
			return nil, err
		}
		left := threadsNotIn(states, pids)
		if len(left) == 0 {
			return pids, nil
		}
		if time.Now().After(deadline) {
			return pids, fmt.Errorf("after %v these are in no state of %s:\n%s", settleTimeout, states, strings.Join(left, ""))
		}
		<-tick.C
	}
}

// threadsNotIn has a line for each thread of the processes that is in none of the states.
func threadsNotIn(states string, pids []int) (found []string) {
	for _, pid := range pids {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid)) // the pattern is sound
		for _, file := range threads {
			stat, err := os.ReadFile(file) // of a thread that may have ended
			if _, state, ok := strings.Cut(string(stat), ") "); err == nil && ok && !strings.Contains(states, state[:1]) {
				found = append(found, string(stat))
			}
		}
	}
	return found
}

// tree lists the process, its children, their children, and so on.
func tree(root int) ([]int, error) {
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
	found := []int{root}
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
