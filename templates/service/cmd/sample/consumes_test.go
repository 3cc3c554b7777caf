package main

import (
	"testing"

	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
	"github.com/svcgen/svcgen/templates/service/internal/gen/app/apptest"
)

// TestConsumes sends each consumed event through the broker, and waits until its handler has taken it.
func TestConsumes(t *testing.T) {
	svc := apptest.Start(t, deps)
	t.Run("NoteArchived", func(t *testing.T) { svc.Consumes(t, "archive", &samplev1.NoteArchived{}) })
}
