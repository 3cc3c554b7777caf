package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

// eventsCommand shows what passes the broker of the running service, as long as that broker is in its process.
func eventsCommand(id Identity, t terminal) *cobra.Command {
	var once, raw bool
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Show the events of the running service as they are published",
		Args:  noArgument,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := clientSettings(cmd, id, t)
			if err != nil {
				return err
			}
			path := "/events"
			if once {
				path += "?once"
			}
			body, code, err := adminGet(cmd.Context(), cfg, path)
			if err != nil {
				return err
			}
			defer func() { _ = body.Close() }() // read only
			switch code {
			case http.StatusOK:
			case http.StatusNotFound:
				return errors.New("the broker is not in the service's process; use the broker's own tools to see its topics")
			default:
				return fmt.Errorf("the service answered %s", http.StatusText(code))
			}
			err = tail(body, cmd.OutOrStdout(), raw)
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "stop after the events that are there already")
	cmd.Flags().BoolVar(&raw, "json", false, "one CloudEvent as JSON on each line")
	return cmd
}

// maxEventLine bounds a line: the largest payload as JSON, and room for the attributes.
const maxEventLine = 4 << 20

// tail prints events until the stream ends.
func tail(events io.Reader, out io.Writer, raw bool) error {
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, maxEventLine)
	for lines.Scan() {
		text := lines.Text() + "\n"
		if !raw {
			var err error
			if text, err = readable(lines.Bytes()); err != nil {
				return err
			}
		}
		if _, err := io.WriteString(out, text); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.New("the service has stopped")
		}
		return err
	}
	return nil
}

// readable is an event for people: its type, the attributes that are set, and the data.
func readable(line []byte) (string, error) {
	var ev cloudEventJSON
	if err := json.Unmarshal(line, &ev); err != nil {
		return "", fmt.Errorf("read event: %w", err)
	}
	var text strings.Builder
	text.WriteString(ev.Type + "\n")
	for _, attr := range [][2]string{
		{"topic", ev.Topic}, {"id", ev.ID}, {"source", ev.Source}, {"time", ev.Time}, {"subject", ev.Subject},
		{"partitionkey", ev.PartitionKey}, {"traceparent", ev.TraceParent}, {"data", string(ev.Data)},
	} {
		if attr[1] != "" {
			fmt.Fprintf(&text, "  %-13s %s\n", attr[0], attr[1])
		}
	}
	if len(ev.DataBase64) > 0 {
		fmt.Fprintf(&text, "  %-13s %d bytes of %s\n", "data", len(ev.DataBase64), ev.DataContentType)
	}
	return text.String(), nil
}
