package main

import (
	"context"
	"testing"

	"google.golang.org/grpc"

	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
	"github.com/svcgen/svcgen/templates/service/internal/gen/app/apptest"
)

// TestPublishes calls each method that publishes, and waits for its event at the broker.
func TestPublishes(t *testing.T) {
	svc := apptest.Start(t, deps)
	t.Run("NoteService.CreateNote publishes NoteCreated", func(t *testing.T) {
		svc.Publishes(t, "notes", "sample.v1.NoteCreated", func(ctx context.Context, conn grpc.ClientConnInterface) error {
			_, err := samplev1.NewNoteServiceClient(conn).CreateNote(ctx, &samplev1.CreateNoteRequest{})
			return err
		})
	})
}
