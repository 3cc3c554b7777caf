package events

import (
	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
)

// NoteCreated publishes sample.v1.NoteCreated to topic notes when tx commits.
// Events with the same key arrive in the order of their commits.
func (e *Events) NoteCreated(tx *store.Tx, ev *samplev1.NoteCreated) error {
	return e.emit(tx, "notes", ev.GetNoteId(), ev)
}
