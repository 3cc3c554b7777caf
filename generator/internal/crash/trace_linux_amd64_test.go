package crash

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// run is one run of a program below a folder. At its at-th mutating call below the folder, counted over all threads,
// it is killed, or, with an errno, that call fails with it, and with sticky every later one too.
type run struct {
	dir    string
	args   []string // of the program, its path first
	at     int      // 0: never
	errno  syscall.Errno
	sticky bool
}

// result is what became of a run.
type result struct {
	calls  []call // mutating ones, in order
	hit    []call // those that did not happen
	code   int    // of exit; -1 when killed
	stdout string
	stderr string
}

// call is a system call that changes what is on disk, or is to make sure that it stays.
type call struct {
	name  string
	paths []string // with two of them, what there is and what it becomes
}

func (c call) String() string { return c.name + " " + strings.Join(c.paths, " ") }

// mutating are the system calls a run is stopped at, and where their paths are: the index of the argument that is a
// folder's descriptor, and of the one that is a name; -1 where there is none.
var mutating = map[uint64]struct {
	name  string
	paths [][2]int
}{
	syscall.SYS_OPENAT:    {"openat", [][2]int{{0, 1}}}, // only where it creates or truncates
	syscall.SYS_OPEN:      {"open", [][2]int{{-1, 0}}},  // the same
	syscall.SYS_CREAT:     {"creat", [][2]int{{-1, 0}}},
	syscall.SYS_WRITE:     {"write", [][2]int{{0, -1}}},
	syscall.SYS_WRITEV:    {"writev", [][2]int{{0, -1}}},
	syscall.SYS_PWRITE64:  {"pwrite64", [][2]int{{0, -1}}},
	syscall.SYS_PWRITEV:   {"pwritev", [][2]int{{0, -1}}},
	sysCopyFileRange:      {"copy_file_range", [][2]int{{2, -1}}},
	syscall.SYS_SENDFILE:  {"sendfile", [][2]int{{0, -1}}},
	syscall.SYS_FTRUNCATE: {"ftruncate", [][2]int{{0, -1}}},
	syscall.SYS_TRUNCATE:  {"truncate", [][2]int{{-1, 0}}},
	syscall.SYS_FALLOCATE: {"fallocate", [][2]int{{0, -1}}},
	syscall.SYS_FSYNC:     {"fsync", [][2]int{{0, -1}}},
	syscall.SYS_FDATASYNC: {"fdatasync", [][2]int{{0, -1}}},
	syscall.SYS_RENAME:    {"rename", [][2]int{{-1, 0}, {-1, 1}}},
	syscall.SYS_RENAMEAT:  {"renameat", [][2]int{{0, 1}, {2, 3}}},
	sysRenameat2:          {"renameat2", [][2]int{{0, 1}, {2, 3}}},
	syscall.SYS_LINK:      {"link", [][2]int{{-1, 0}, {-1, 1}}},
	syscall.SYS_LINKAT:    {"linkat", [][2]int{{0, 1}, {2, 3}}},
	syscall.SYS_SYMLINK:   {"symlink", [][2]int{{-1, 1}}},
	syscall.SYS_SYMLINKAT: {"symlinkat", [][2]int{{1, 2}}},
	syscall.SYS_UNLINK:    {"unlink", [][2]int{{-1, 0}}},
	syscall.SYS_UNLINKAT:  {"unlinkat", [][2]int{{0, 1}}},
	syscall.SYS_RMDIR:     {"rmdir", [][2]int{{-1, 0}}},
	syscall.SYS_MKDIR:     {"mkdir", [][2]int{{-1, 0}}},
	syscall.SYS_MKDIRAT:   {"mkdirat", [][2]int{{0, 1}}},
	syscall.SYS_MKNODAT:   {"mknodat", [][2]int{{0, 1}}},
	syscall.SYS_CHMOD:     {"chmod", [][2]int{{-1, 0}}},
	syscall.SYS_FCHMOD:    {"fchmod", [][2]int{{0, -1}}},
	syscall.SYS_FCHMODAT:  {"fchmodat", [][2]int{{0, 1}}},
	sysFchmodat2:          {"fchmodat2", [][2]int{{0, 1}}},
	syscall.SYS_FCHOWN:    {"fchown", [][2]int{{0, -1}}},
	syscall.SYS_FCHOWNAT:  {"fchownat", [][2]int{{0, 1}}},
	syscall.SYS_UTIMENSAT: {"utimensat", [][2]int{{0, 1}}},
	syscall.SYS_FLOCK:     {"flock", [][2]int{{0, -1}}},
}

// What package syscall has no names for.
const (
	sysRenameat2     = 316
	sysCopyFileRange = 326
	sysFchmodat2     = 452

	prSetNoNewPrivs   = 38
	seccompModeFilter = 2
	seccompRetAllow   = 0x7fff0000
	seccompRetTrace   = 0x7ff00000
	auditArchX8664    = 0xc000003e

	ptraceOTraceSeccomp = 0x80
	ptraceOExitKill     = 0x100000
	ptraceEventSeccomp  = 7
	atFdCwd             = -100
	atRemoveDir         = 0x200
)

// tracee names the variable that makes the test binary a program under trace: it sets the filter, then becomes it.
const tracee = "SVCGEN_TRACE_EXEC"

func TestMain(m *testing.M) {
	if os.Getenv(tracee) != "" {
		fmt.Fprintln(os.Stderr, becomeTraced(os.Args[1:]))
		os.Exit(125)
	}
	code := m.Run()
	if name, err := built(); err == nil {
		_ = os.RemoveAll(filepath.Dir(name)) // nobody is left to tell
	}
	os.Exit(code)
}

// becomeTraced replaces this process by the program, which the kernel then stops at every mutating call.
func becomeTraced(args []string) error {
	runtime.LockOSThread() // a filter belongs to a thread, and that thread survives the exec
	filter := bpf()
	prog := syscall.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0, 0, 0, 0); errno != 0 {
		return fmt.Errorf("no new privileges: %w", errno)
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_SECCOMP, seccompModeFilter, uintptr(unsafe.Pointer(&prog))); errno != 0 {
		return fmt.Errorf("set the filter: %w", errno)
	}
	env := slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, tracee+"=") })
	return syscall.Exec(args[0], args, env)
}

// bpf lets everything pass but the mutating calls, and opens that neither create nor truncate.
func bpf() []syscall.SockFilter {
	const load, jeq, jset, ret = syscall.BPF_LD | syscall.BPF_W | syscall.BPF_ABS, syscall.BPF_JMP | syscall.BPF_JEQ | syscall.BPF_K, syscall.BPF_JMP | syscall.BPF_JSET | syscall.BPF_K, syscall.BPF_RET | syscall.BPF_K
	allow, trace := syscall.SockFilter{Code: ret, K: seccompRetAllow}, syscall.SockFilter{Code: ret, K: seccompRetTrace}
	code := []syscall.SockFilter{
		{Code: load, K: 4}, // seccomp_data.arch
		{Code: jeq, K: auditArchX8664, Jt: 1},
		allow,
		{Code: load, K: 0}, // seccomp_data.nr
	}
	for nr := range mutating {
		switch nr {
		case syscall.SYS_OPEN, syscall.SYS_OPENAT:
			flags := uint32(16 + 8*1) // seccomp_data.args[1]
			if nr == syscall.SYS_OPENAT {
				flags += 8
			}
			code = append(code,
				syscall.SockFilter{Code: jeq, K: uint32(nr), Jf: 4},
				syscall.SockFilter{Code: load, K: flags},
				syscall.SockFilter{Code: jset, K: syscall.O_CREAT | syscall.O_TRUNC, Jf: 1},
				trace, allow,
			)
		default:
			code = append(code, syscall.SockFilter{Code: jeq, K: uint32(nr), Jf: 1}, trace)
		}
	}
	return append(code, allow)
}

// start runs r and follows it to its end.
func (r run) start() (res result, err error) {
	// Whoever traces is a thread, and only that one may ask.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	self, err := os.Executable()
	if err != nil {
		return result{}, err
	}
	output, err := os.MkdirTemp("", "trace")
	if err != nil {
		return result{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(output)) }()
	var files [3]*os.File
	for i, name := range []string{os.DevNull, filepath.Join(output, "out"), filepath.Join(output, "err")} {
		if files[i], err = os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
			return result{}, err
		}
		defer func() { err = errors.Join(err, files[i].Close()) }()
	}
	proc, err := os.StartProcess(self, append([]string{self}, r.args...), &os.ProcAttr{
		Dir: r.dir, Env: append(os.Environ(), tracee+"=1", "NO_COLOR=1", "GODEBUG="), Files: files[:],
		Sys: &syscall.SysProcAttr{Ptrace: true, Setpgid: true},
	})
	if err != nil {
		return result{}, fmt.Errorf("start under trace: %w", err)
	}
	res, err = r.follow(proc.Pid)
	if err != nil {
		return res, errors.Join(err, proc.Kill())
	}
	for i, to := range []*string{&res.stdout, &res.stderr} {
		if _, err := files[i+1].Seek(0, io.SeekStart); err != nil {
			return res, err
		}
		text, err := io.ReadAll(files[i+1])
		if err != nil {
			return res, err
		}
		*to = string(text)
	}
	return res, proc.Release()
}

// follow is the tracer.
func (r run) follow(pid int) (result, error) {
	var res result
	var status syscall.WaitStatus
	if _, err := wait(pid, &status); err != nil {
		return res, fmt.Errorf("wait for the first stop: %w", err)
	}
	if !status.Stopped() {
		return res, fmt.Errorf("the program ended before it was traced: %v", status)
	}
	options := syscall.PTRACE_O_TRACECLONE | syscall.PTRACE_O_TRACEFORK | syscall.PTRACE_O_TRACEVFORK | syscall.PTRACE_O_TRACEEXEC | ptraceOTraceSeccomp | ptraceOExitKill
	if err := syscall.PtraceSetOptions(pid, options); err != nil {
		return res, fmt.Errorf("trace: %w", err)
	}
	next, signal := pid, 0
	known := map[int]bool{pid: true}
	for {
		// A thread may be gone when it is told to go on: the process was killed.
		if err := syscall.PtraceCont(next, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return res, fmt.Errorf("go on: %w", err)
		}
		tid, err := wait(-pid, &status) // its process group: other children are waited for by others
		if err != nil {
			return res, fmt.Errorf("wait: %w", err)
		}
		next, signal = tid, 0
		switch {
		case status.Exited() || status.Signaled():
			if tid == pid {
				res.code = status.ExitStatus()
				return res, nil
			}
		case !status.Stopped():
		case status.StopSignal() == syscall.SIGTRAP && int(status)>>16 == ptraceEventSeccomp:
			if err := r.stopped(pid, tid, &res); err != nil && !errors.Is(err, syscall.ESRCH) {
				return res, err
			}
		case status.StopSignal() == syscall.SIGTRAP && int(status)>>16 != 0:
		case status.StopSignal() == syscall.SIGSTOP && !known[tid]: // how a new thread begins
		default:
			signal = int(status.StopSignal())
		}
		known[tid] = true
	}
}

func wait(pid int, status *syscall.WaitStatus) (int, error) {
	for {
		tid, err := syscall.Wait4(pid, status, syscall.WALL, nil)
		if !errors.Is(err, syscall.EINTR) {
			return tid, err
		}
	}
}

// stopped decides about one call.
func (r run) stopped(pid, tid int, res *result) error {
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(tid, &regs); err != nil {
		return err
	}
	c, err := r.read(tid, &regs)
	if err != nil || len(c.paths) == 0 {
		return err
	}
	res.calls = append(res.calls, c)
	n := len(res.calls)
	if r.at == 0 || n < r.at || n > r.at && !r.sticky {
		return nil
	}
	res.hit = append(res.hit, c)
	if r.errno == 0 {
		return syscall.Kill(pid, syscall.SIGKILL)
	}
	regs.Orig_rax = ^uint64(0) // no call: what is in rax is what it returns
	regs.Rax = uint64(-int64(r.errno))
	return syscall.PtraceSetRegs(tid, &regs)
}

// read is the call a thread is about to make; without paths where it is none below the folder.
func (r run) read(tid int, regs *syscall.PtraceRegs) (call, error) {
	args := [6]uint64{regs.Rdi, regs.Rsi, regs.Rdx, regs.R10, regs.R8, regs.R9}
	kind := mutating[regs.Orig_rax]
	c := call{name: kind.name}
	if regs.Orig_rax == syscall.SYS_UNLINKAT && args[2]&atRemoveDir != 0 {
		c.name = "rmdir"
	}
	below := false
	for _, at := range kind.paths {
		name := ""
		if at[1] >= 0 {
			var err error
			if name, err = text(tid, uintptr(args[at[1]])); err != nil {
				return c, err
			}
		}
		if !filepath.IsAbs(name) {
			link := fmt.Sprintf("/proc/%d/cwd", tid)
			if at[0] >= 0 && int32(args[at[0]]) != atFdCwd {
				link = fmt.Sprintf("/proc/%d/fd/%d", tid, int32(args[at[0]]))
			}
			folder, err := os.Readlink(link)
			if err != nil {
				return call{}, nil //nolint:nilerr // a descriptor that is not open changes nothing
			}
			name = filepath.Join(folder, name)
		}
		name = strings.TrimSuffix(name, " (deleted)")
		rel, err := filepath.Rel(r.dir, name)
		below = below || err == nil && filepath.IsLocal(rel)
		c.paths = append(c.paths, rel)
	}
	if !below {
		return call{}, nil
	}
	return c, nil
}

// text is a C string of a stopped thread.
func text(tid int, at uintptr) (string, error) {
	var b []byte
	chunk := make([]byte, 64)
	for len(b) < 4096 {
		n, err := syscall.PtracePeekData(tid, at+uintptr(len(b)), chunk)
		if end := bytes.IndexByte(chunk[:n], 0); end >= 0 {
			return string(append(b, chunk[:end]...)), nil
		}
		if err != nil {
			return "", err
		}
		b = append(b, chunk[:n]...)
	}
	return "", errors.New("a path without an end")
}
