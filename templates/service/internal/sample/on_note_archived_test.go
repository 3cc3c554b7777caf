package sample

import (
	"context"
	"testing"

	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
)

func TestConsumers_OnNoteArchived(t *testing.T) {
	tests := []struct {
		name string
		ev   *samplev1.NoteArchived
	}{
		{
			name: "an empty event",
			ev:   &samplev1.NoteArchived{},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			deps := testDeps(t)
			err := deps.DB.InTx(t.Context(), func(ctx context.Context, tx *store.Tx) error {
				return NewConsumers(deps).OnNoteArchived(ctx, tx, tt.ev)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}
