package faults

import "github.com/svcgen/svcgen/test/subject"

// failpoints let a process kill itself, as kill -9 does, the n-th time it comes to a step of the relay or of a
// transaction that the environment names: FAILPOINT=accepted:100. They are patched into a copy of the service; what
// is emitted has none.
var failpoints = []subject.Patch{
	{File: "internal/gen/outbox/failpoint.go", New: `package outbox

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

var (
	failName, failCount, _ = strings.Cut(os.Getenv("FAILPOINT"), ":")
	failAt, _              = strconv.ParseInt(failCount, 10, 64)
	failed                 atomic.Int64
)

// Fail kills the process the n-th time it is called with the name in FAILPOINT.
func Fail(name string) {
	if name == failName && failed.Add(1) == failAt {
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		select {}
	}
}
`},
	{
		File: "internal/gen/outbox/fetch.go",
		Old:  "recs, err := l.r.q.Fetch(ctx, p)\n",
		New:  "recs, err := l.r.q.Fetch(ctx, p)\n\t\tif len(recs) > 0 {\n\t\t\tFail(\"fetched\")\n\t\t}\n",
	},
	{
		File: "internal/gen/outbox/send.go",
		Old:  "\t\tl.r.p.Publish(ctx, &it.rec.Message, func(err error) {\n",
		New:  "\t\tFail(\"sending\")\n\t\tl.r.p.Publish(ctx, &it.rec.Message, func(err error) {\n\t\t\tif err == nil {\n\t\t\t\tFail(\"accepted\")\n\t\t\t}\n",
	},
	{
		File: "internal/gen/outbox/send.go",
		Old:  "in.answers = append(in.answers, answer{it, err}) })\n\t\t})\n",
		New:  "in.answers = append(in.answers, answer{it, err}) })\n\t\t})\n\t\tFail(\"sent\")\n",
	},
	{
		File: "internal/gen/outbox/settle.go",
		Old:  "\t\terr := l.r.q.Delete(ctx, rows)\n",
		New:  "\t\tFail(\"deleting\")\n\t\terr := l.r.q.Delete(ctx, rows)\n\t\tFail(\"deleted\")\n",
	},
	{
		File: "internal/gen/store/tx.go",
		Old:  "\tif w := (work{begun.queued, tx.msgs});",
		New:  "\toutbox.Fail(\"committing\")\n\tif w := (work{begun.queued, tx.msgs});",
	},
	{
		File: "internal/gen/store/tx.go",
		Old:  "\tif len(tx.msgs) > 0 {\n\t\tdb.Committed()\n",
		New:  "\tif len(tx.msgs) > 0 {\n\t\toutbox.Fail(\"committed\")\n\t\tdb.Committed()\n",
	},
}

// steps are the failpoints in the order a call comes to them. Where the event is out already and its row still there,
// the event must come twice.
var steps = []struct {
	name  string
	twice bool
}{
	{"committing", false},
	{"committed", false},
	{"fetched", false},
	{"sending", false},
	{"sent", false},
	{"accepted", true},
	{"deleting", true},
	{"deleted", false},
}
