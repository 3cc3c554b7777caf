package sample

import (
	"context"

	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
)

// OnNoteArchived handles sample.v1.NoteArchived.
func (c *Consumers) OnNoteArchived(ctx context.Context, tx *store.Tx, ev *samplev1.NoteArchived) error {
	// Write your rows here with tx. An error rolls them back, and the event comes again. It may come again after
	// success, too: let a second time change nothing.
	return nil
}
