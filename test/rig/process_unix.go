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
	members, err := tree(root)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, m := range slices.Backward(members) {
		pids = append(pids, m.pid)
		if err := syscall.Kill(m.pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return pids, fmt.Errorf("signal %d of %d: %w", m.pid, root, err)
		}
	}
	return pids, nil
}

func killTree(root int) ([]int, error)   { return signalTree(root, syscall.SIGKILL) }
func resumeTree(root int) ([]int, error) { return signalTree(root, syscall.SIGCONT) }
func quitProcess(pid int) error          { return syscall.Kill(pid, syscall.SIGQUIT) }

// signalTimeout is how long processes may take to stop or to die: one that waits for a disk goes on until that has
// answered.
const signalTimeout = 60 * time.Second

// gone waits until the processes are dead. Until then they have the ports and files that the next start wants.
func gone(pids []int) error {
	deadline := time.Now().Add(signalTimeout)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		// Of those that are only waited for by nobody ps has to tell.
		if !slices.ContainsFunc(pids, func(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }) {
			return nil
		}
		all, err := list()
		if err != nil {
			return err
		}
		ours := slices.DeleteFunc(all, func(m member) bool { return !slices.Contains(pids, m.pid) })
		left := slices.DeleteFunc(slices.Clone(ours), func(m member) bool { return strings.Contains(m.state, "Z") })
		if len(left) == 0 && len(running(ours)) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not all are dead after %v: %v", signalTimeout, left)
		}
		<-tick.C
	}
}

// pauseTree stops the process and all its descendants, and returns them. A process stops only when it is scheduled
// next, which takes its time on a loaded machine, so this waits until all have.
func pauseTree(root int) ([]int, error) {
	deadline := time.Now().Add(signalTimeout)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		pids, err := signalTree(root, syscall.SIGSTOP)
		if err != nil {
			return pids, err
		}
		members, err := tree(root)
		if err != nil || !slices.ContainsFunc(members, member.runs) && len(running(members)) == 0 {
			return pids, err
		}
		if time.Now().After(deadline) {
			return pids, fmt.Errorf("not all have stopped after %v: %v", signalTimeout, members)
		}
		<-tick.C
	}
}

// member is a process of a tree, with its state as ps has it.
type member struct {
	pid, parent int
	state       string
}

// runs is false of what has stopped or is dead.
func (m member) runs() bool { return !strings.ContainsAny(m.state, "TZ") }

// running names the threads of members that are neither stopped nor dead, where the kernel tells of them: ps has the
// state of a process's first one only.
func running(members []member) (found []string) {
	for _, m := range members {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", m.pid)) // the pattern is sound
		for _, file := range threads {
			stat, err := os.ReadFile(file) // of a thread that may have ended
			if _, state, ok := strings.Cut(string(stat), ") "); err == nil && ok && !strings.ContainsAny(state[:1], "TZX") {
				found = append(found, string(stat))
			}
		}
	}
	return found
}

// tree lists the process, its children, their children, and so on.
func tree(root int) ([]member, error) {
	all, err := list()
	if err != nil {
		return nil, err
	}
	var found []member
	children := map[int][]member{}
	for _, m := range all {
		if m.pid == root {
			found = append(found, m)
		}
		children[m.parent] = append(children[m.parent], m)
	}
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i].pid]...)
	}
	return found, nil
}

// list is all processes there are.
func list() ([]member, error) {
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=,stat=").Output()
	if err != nil {
		return nil, fmt.Errorf("ps: %w", err)
	}
	var all []member
	for line := range strings.Lines(string(out)) {
		var m member
		if _, err := fmt.Sscan(line, &m.pid, &m.parent, &m.state); err != nil {
			return nil, fmt.Errorf("ps says %q: %w", line, err)
		}
		all = append(all, m)
	}
	return all, nil
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
