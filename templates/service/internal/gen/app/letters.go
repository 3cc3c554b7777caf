package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/svcgen/svcgen/templates/service/internal/gen/outbox"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
)

// outboxCommand looks after events that wait or were refused. It works on the database, so the service need not run.
func outboxCommand(id Identity, t terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "outbox",
		Short: "Look after events that wait to be published or were refused by the broker",
		Args:  onlyCommands,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usagef("expected ls, requeue, skip or drain; see %s --help", cmd.CommandPath())
		},
	}
	cmd.AddCommand(
		outboxLs(id, t),
		outboxRequeue(id, t),
		outboxSkip(id, t),
		outboxDrain(id, t),
	)
	return cmd
}

// withQueue opens the outbox for a command. A database that is not there is an error before anything is written to it.
func withQueue(cmd *cobra.Command, id Identity, t terminal, f func(context.Context, *store.Queue) error) error {
	return withStore(cmd, id, t, func(ctx context.Context, db *store.DB) error {
		if err := db.Ping(ctx); err != nil {
			return err
		}
		return f(ctx, db.Queue())
	})
}

func outboxLs(id Identity, t terminal) *cobra.Command {
	var (
		dead, asJSON bool
		limit        int
	)
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List events that wait, or dead letters",
		Args:  noArgument,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withQueue(cmd, id, t, func(ctx context.Context, q *store.Queue) error {
				letters, err := q.List(ctx, dead, limit)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), letters)
				}
				return printTable(cmd.OutOrStdout(), letters)
			})
		},
	}
	cmd.Flags().BoolVar(&dead, "dead", false, "list dead letters")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object on each line, with the payload as JSON")
	cmd.Flags().IntVar(&limit, "limit", 100, "how many to list, the oldest first")
	return cmd
}

func outboxRequeue(id Identity, t terminal) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "requeue ROW... | --all",
		Short: "Publish dead letters again, before the events that wait for them",
		RunE: func(cmd *cobra.Command, args []string) error {
			if all {
				if len(args) > 0 {
					return usagef("expected rows or --all, not both")
				}
				return withQueue(cmd, id, t, func(ctx context.Context, q *store.Queue) error {
					return requeueAll(ctx, q, cmd.ErrOrStderr())
				})
			}
			rows, err := letterRows(args)
			if err != nil {
				return err
			}
			return withQueue(cmd, id, t, func(ctx context.Context, q *store.Queue) error { return q.Requeue(ctx, rows...) })
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every dead letter there is now")
	return cmd
}

func outboxSkip(id Identity, t terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "skip ROW...",
		Short: "Drop dead letters for good, and let the events go that wait for them",
		RunE: func(cmd *cobra.Command, args []string) error {
			rows, err := letterRows(args)
			if err != nil {
				return err
			}
			return withQueue(cmd, id, t, func(ctx context.Context, q *store.Queue) error { return q.Skip(ctx, rows...) })
		},
	}
}

func letterRows(args []string) ([]int64, error) {
	if len(args) == 0 {
		return nil, usagef("expected the ROW of a dead letter, as outbox ls --dead prints it")
	}
	rows := make([]int64, len(args))
	for i, arg := range args {
		var err error
		if rows[i], err = strconv.ParseInt(arg, 10, 64); err != nil {
			return nil, usagef("%q is no row number", arg)
		}
	}
	return rows, nil
}

// requeuePage bounds the letters in memory, and the time one transaction takes.
const requeuePage = 100

// requeueAll puts every dead letter back once: one that is refused again meanwhile is left alone.
func requeueAll(ctx context.Context, q outbox.Admin, progress io.Writer) error {
	done := make(map[int64]bool)
	for {
		letters, err := q.List(ctx, true, requeuePage)
		if err != nil {
			return err
		}
		var rows []int64
		for _, l := range letters {
			if !done[l.Row] {
				done[l.Row] = true
				rows = append(rows, l.Row)
			}
		}
		if len(rows) == 0 {
			_, err := fmt.Fprintf(progress, "%d requeued, %d refused again\n", len(done), len(letters))
			return err
		}
		if err := q.Requeue(ctx, rows...); err != nil {
			return err
		}
	}
}

// drainLook is how often drain looks at the outbox.
const drainLook = 250 * time.Millisecond

func outboxDrain(id Identity, t terminal) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "drain",
		Short: "Wait until the running service has published every event",
		Long: `Wait until the running service has published every event, for example before its broker or database is
moved. It publishes nothing itself. Dead letters, and events that wait behind one, do not leave by themselves:
while such events are left it fails when its time is over.`,
		Args: noArgument,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withQueue(cmd, id, t, func(ctx context.Context, q *store.Queue) error {
				return drain(ctx, q, timeout, cmd.ErrOrStderr())
			})
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, "how long to wait")
	return cmd
}

func drain(ctx context.Context, q outbox.Queue, timeout time.Duration, progress io.Writer) error {
	tick := time.NewTicker(drainLook)
	defer tick.Stop()
	over := time.NewTimer(timeout)
	defer over.Stop()
	last := int64(-1)
	for {
		stats, err := q.Stats(ctx)
		if err != nil {
			return err
		}
		if stats.Pending == 0 {
			return nil
		}
		if stats.Pending != last {
			last = stats.Pending
			if _, err := fmt.Fprintf(progress, "%d waiting\n", last); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over.C:
			return fmt.Errorf("%d events still wait, %d keys are blocked by a dead letter: is the service running, and its broker?", stats.Pending, stats.BlockedKeys)
		case <-tick.C:
		}
	}
}

func printTable(w io.Writer, letters []outbox.Letter) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(tw, "ROW\tTYPE\tTOPIC\tKEY\tCREATED\tATTEMPTS\tERROR"); err != nil {
		return err
	}
	for _, l := range letters {
		problem := l.LastError
		if l.Blocks {
			problem += " (later events of its key wait)"
		}
		if _, err := fmt.Fprintf(tw, "%d\t%s\t%s\t%s\t%s\t%d\t%s\n", l.Row, l.Type, l.Topic, strconv.Quote(l.Key),
			l.CreatedAt.UTC().Format(time.RFC3339), l.Attempts, problem); err != nil {
			return err
		}
	}
	return tw.Flush()
}

// letterJSON is a row for machines; its fields only ever grow.
type letterJSON struct {
	Row       int64           `json:"row"`
	ID        string          `json:"id"`
	Type      string          `json:"type"`
	Topic     string          `json:"topic"`
	Key       string          `json:"key"`
	CreatedAt time.Time       `json:"created_at"`
	Attempts  int             `json:"attempts"`
	LastError string          `json:"last_error,omitempty"`
	Blocks    bool            `json:"blocks,omitempty"`
	DeadAt    *time.Time      `json:"dead_at,omitempty"`
	Data      json.RawMessage `json:"data,omitempty"`
	Payload   []byte          `json:"data_base64,omitempty"`
}

func printJSON(w io.Writer, letters []outbox.Letter) error {
	enc := json.NewEncoder(w)
	for _, l := range letters {
		row := letterJSON{Row: l.Row, ID: l.ID.String(), Type: l.Type, Topic: l.Topic, Key: l.Key, CreatedAt: l.CreatedAt.UTC(),
			Attempts: l.Attempts, LastError: l.LastError, Blocks: l.Blocks}
		if !l.DeadAt.IsZero() {
			row.DeadAt = &l.DeadAt
		}
		if data, err := payloadJSON(l.Type, l.Payload); err == nil {
			row.Data = data
		} else {
			row.Payload = l.Payload
		}
		if err := enc.Encode(row); err != nil {
			return err
		}
	}
	return nil
}
