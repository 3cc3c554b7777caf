package rig

import (
	"fmt"
	"io"
	"os/exec"
	"sync"
)

// keeperScript outlives the rig by a moment. Its standard input is a pipe that only the rig holds, so it ends when
// the rig ends, however that happens; then the script ends what is still recorded, in order where it can be
// done, and removes the data. (PR_SET_PDEATHSIG cannot do this: it follows the thread that forked, not the process, and reaches
// neither grandchildren nor files.)
const keeperScript = `
trap '' INT TERM HUP
targets=
while read -r verb target; do
	case $verb in
	add) targets="$targets $target" ;;
	remove) rest=; for t in $targets; do [ "$t" = "$target" ] || rest="$rest $t"; done; targets=$rest ;;
	esac
done
for t in $targets; do kill -QUIT "$t" 2>/dev/null; kill -CONT "$t" 2>/dev/null; done
[ -z "$targets" ] || sleep 1
for t in $targets; do kill -9 "$t" 2>/dev/null; done
umount "$1/data" 2>/dev/null
rm -rf -- "$1"
`

// keeper watches over one server's process groups and folder.
type keeper struct {
	cmd *exec.Cmd

	mu     sync.Mutex
	pipe   io.WriteCloser
	closed bool
}

func newKeeper(dir string) (*keeper, error) {
	cmd := exec.Command("/bin/sh", "-c", keeperScript, "svcgen-rig-keeper", dir)
	if err := own(cmd, ""); err != nil {
		return nil, err
	}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start keeper: %w", err)
	}
	return &keeper{cmd: cmd, pipe: pipe}, nil
}

// add puts processes (or groups, as negative numbers) under watch.
func (k *keeper) add(targets ...int) { k.tell("add", targets) }

func (k *keeper) remove(targets ...int) { k.tell("remove", targets) }

// tell never fails the server: without its keeper a server merely survives a killed rig.
func (k *keeper) tell(verb string, targets []int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range targets {
		_, _ = fmt.Fprintln(k.pipe, verb, t)
	}
}

// close lets the keeper do the rest, and may be called again.
func (k *keeper) close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil
	}
	k.closed = true
	if err := k.pipe.Close(); err != nil {
		return err
	}
	return k.cmd.Wait()
}
