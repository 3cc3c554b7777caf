package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// callCommand calls the running service. It needs no reflection on the server: the descriptors are in this binary.
func callCommand(id Identity, t terminal) *cobra.Command {
	var (
		headers    []string
		timeout    time.Duration
		serverName string
	)
	cmd := &cobra.Command{
		Use:   "call METHOD [JSON...]",
		Short: "Call a method of the running service",
		Long: `Call a method of the running service, at the address it is configured to serve on.

METHOD is Service/Method, with or without the proto package, or just Method when only one service has it.
JSON is the request; a stream takes several. With - they are read from standard input. Without, it is {}.
The answer goes to standard output as JSON, a stream's messages one to a line.`,
		Example: callExample(id),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("expected a METHOD: %s", strings.Join(methodNames(id), ", "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			method, err := findMethod(id, args[0])
			if err != nil {
				return err
			}
			cfg, err := clientSettings(cmd, id, t)
			if err != nil {
				return err
			}
			conn, err := dial(cfg, serverName)
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close() }() // the answer is complete or an error by then
			ctx := cmd.Context()
			if timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, timeout)
				defer cancel()
			}
			md, err := parseHeaders(headers)
			if err != nil {
				return err
			}
			ctx = metadata.NewOutgoingContext(ctx, md)
			c := &caller{method: method, requests: newRequests(method.Input(), args[1:], cmd.InOrStdin()), out: cmd.OutOrStdout()}
			return explain(method, c.call(ctx, conn))
		},
	}
	cmd.Flags().StringArrayVarP(&headers, "header", "H", nil, "request header as name: value; may be repeated")
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "deadline of the call; 0 sends none")
	cmd.Flags().StringVar(&serverName, "server-name", "", "name the server's certificate must have, if not that of the address")
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return methodNames(id), cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

// parseHeaders reads headers given as name: value.
func parseHeaders(headers []string) (metadata.MD, error) {
	md := metadata.MD{}
	for _, h := range headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return nil, usagef("header %q is not name: value", h)
		}
		md.Append(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return md, nil
}

func callExample(id Identity) string {
	names := methodNames(id)
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("  %s call %s '{}'", id.Name, names[0])
}

// explain turns the end of a call into what a person reads.
func explain(method protoreflect.MethodDescriptor, err error) error {
	if err == nil {
		return nil
	}
	var usage *usageError
	st, ok := status.FromError(err)
	if errors.As(err, &usage) || !ok {
		return err
	}
	message := st.Message()
	if st.Code() == codes.Unavailable && strings.HasPrefix(message, "connection error") {
		message += " (is it running?)"
	}
	lines := []string{fmt.Sprintf("%s.%s: %s: %s", method.Parent().Name(), method.Name(), st.Code(), message)}
	for _, detail := range st.Details() {
		if m, ok := detail.(proto.Message); ok {
			lines = append(lines, fmt.Sprintf("  %s %s", m.ProtoReflect().Descriptor().FullName(), compact(m)))
		}
	}
	return errors.New(strings.Join(lines, "\n"))
}

// caller makes one call of any of the four kinds.
type caller struct {
	method   protoreflect.MethodDescriptor
	requests *requests
	out      io.Writer
}

func (c *caller) call(ctx context.Context, conn *grpc.ClientConn) error {
	name := fmt.Sprintf("/%s/%s", c.method.Parent().FullName(), c.method.Name())
	if !c.method.IsStreamingClient() && !c.method.IsStreamingServer() {
		return c.unary(ctx, conn, name)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{
		ClientStreams: c.method.IsStreamingClient(), ServerStreams: c.method.IsStreamingServer(),
	}, name)
	if err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() {
		err := c.send(stream)
		sent <- err // before the call ends, or receive would be told of that instead
		if err != nil {
			cancel() // the input is broken
		}
	}()
	err = c.receive(stream)
	// A reader of standard input may wait for ever for a line nobody needs any more; only a broken input is told.
	select {
	case serr := <-sent:
		if serr != nil {
			return serr
		}
	default:
	}
	return err
}

func (c *caller) unary(ctx context.Context, conn *grpc.ClientConn, name string) error {
	req, err := c.requests.only()
	if err != nil {
		return err
	}
	resp := dynamicpb.NewMessage(c.method.Output())
	if err := conn.Invoke(ctx, name, req, resp); err != nil {
		return err
	}
	text, err := indented(resp)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.out, text)
	return err
}

func (c *caller) send(stream grpc.ClientStream) error {
	if !c.method.IsStreamingClient() {
		req, err := c.requests.only()
		if err != nil {
			return err
		}
		if err := stream.SendMsg(req); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		return stream.CloseSend()
	}
	for {
		req, err := c.requests.next()
		if errors.Is(err, io.EOF) {
			return stream.CloseSend()
		}
		if err != nil {
			return err
		}
		if err := stream.SendMsg(req); errors.Is(err, io.EOF) {
			return nil // the server has ended the call; receive tells how
		} else if err != nil {
			return err
		}
	}
}

func (c *caller) receive(stream grpc.ClientStream) error {
	for {
		resp := dynamicpb.NewMessage(c.method.Output())
		err := stream.RecvMsg(resp)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(c.out, compact(resp)); err != nil {
			return err
		}
		if !c.method.IsStreamingServer() {
			return nil
		}
	}
}

// compact is a message as one line of JSON. protojson varies its spaces on purpose, so they are taken out.
func compact(m proto.Message) string {
	text, err := protojson.Marshal(m)
	if err != nil {
		return fmt.Sprintf("%q", err.Error())
	}
	return squeeze(text)
}
