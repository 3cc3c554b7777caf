package rpc

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
)

// TestShutdownWaits shuts down while a call runs: the call ends well, and only then does Shutdown return.
func TestShutdownWaits(t *testing.T) {
	busy, release := make(chan struct{}), make(chan struct{})
	s, client, _ := start(t, testConfig(), Options{}, &notes{
		get: func(context.Context, *samplev1.GetNoteRequest) (*samplev1.GetNoteResponse, error) {
			close(busy)
			<-release
			return &samplev1.GetNoteResponse{Text: "done"}, nil
		},
	})
	answer := make(chan error, 1)
	go func() {
		resp, err := client.GetNote(t.Context(), &samplev1.GetNoteRequest{})
		if err == nil && resp.GetText() != "done" {
			err = errors.New("wrong answer")
		}
		answer <- err
	}()
	<-busy
	stopped := make(chan bool, 1)
	go func() { stopped <- s.Shutdown(t.Context()) }()
	select {
	case <-stopped:
		t.Fatal("Shutdown returned while a call ran")
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	if err := <-answer; err != nil {
		t.Errorf("the call in flight: %v", err)
	}
	if !<-stopped {
		t.Error("Shutdown says that it cancelled calls")
	}
}

// TestShutdownEndsWatch shuts down while a client watches the health service, which grpc-go's own graceful stop
// waits for without end.
func TestShutdownEndsWatch(t *testing.T) {
	s, _, conn := start(t, testConfig(), Options{}, &notes{})
	s.SetServing(true)
	watch, err := healthpb.NewHealthClient(conn).Watch(t.Context(), &healthpb.HealthCheckRequest{Service: "sample.v1.NoteService"})
	if err != nil {
		t.Fatal(err)
	}
	expect := func(want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		answer, err := watch.Recv()
		if err != nil || answer.GetStatus() != want {
			t.Fatalf("health %v, %v; want %v", answer.GetStatus(), err, want)
		}
	}
	expect(healthpb.HealthCheckResponse_SERVING)
	s.Drain()
	expect(healthpb.HealthCheckResponse_NOT_SERVING)
	if !s.Shutdown(t.Context()) {
		t.Error("Shutdown had to cancel calls")
	}
	if _, err := watch.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the watch ended with %v, want UNAVAILABLE", err)
	}
}

// TestShutdownCancels shuts down while a handler waits for its context: when the time is over it is cancelled.
func TestShutdownCancels(t *testing.T) {
	busy := make(chan struct{})
	ended := make(chan error, 1)
	s, client, _ := start(t, testConfig(), Options{}, &notes{
		watch: func(_ *samplev1.WatchNotesRequest, stream grpc.ServerStreamingServer[samplev1.WatchNotesResponse]) error {
			close(busy)
			<-stream.Context().Done()
			ended <- stream.Context().Err()
			return stream.Context().Err()
		},
	})
	stream, err := client.WatchNotes(t.Context(), &samplev1.WatchNotesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	<-busy
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if s.Shutdown(ctx) {
		t.Error("Shutdown says that every call finished by itself")
	}
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the handler's context ended with %v", err)
		}
	default:
		t.Error("Shutdown returned before the handler did: it may still use the database")
	}
	if _, err := stream.Recv(); err == nil {
		t.Error("the stream goes on")
	}
}

func TestNotServingBeforeReady(t *testing.T) {
	s, _, conn := start(t, testConfig(), Options{}, &notes{})
	check := func(service string) healthpb.HealthCheckResponse_ServingStatus {
		t.Helper()
		resp, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
		if err != nil {
			t.Fatal(err)
		}
		return resp.GetStatus()
	}
	for i, ready := range []bool{false, true, false, true} {
		if i > 0 {
			s.SetServing(ready)
		}
		for _, service := range []string{"", "sample.v1.NoteService"} {
			if got := check(service) == healthpb.HealthCheckResponse_SERVING; got != ready {
				t.Errorf("service %q serving: %v, want %v", service, got, ready)
			}
		}
	}
	s.Drain()
	s.SetServing(true)
	if check("") == healthpb.HealthCheckResponse_SERVING {
		t.Error("serving again after the drain began")
	}
}
