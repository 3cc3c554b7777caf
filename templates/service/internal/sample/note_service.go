package sample

import (
	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
	"github.com/svcgen/svcgen/templates/service/internal/gen/events"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
)

// NoteService implements sample.v1.NoteService.
type NoteService struct {
	samplev1.UnimplementedNoteServiceServer
	db     *store.DB
	events *events.Events
}

// NewNoteService makes the service.
func NewNoteService(d Deps) *NoteService {
	return &NoteService{db: d.DB, events: d.Events}
}
