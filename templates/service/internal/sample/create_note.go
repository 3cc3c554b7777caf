package sample

import (
	"context"

	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
)

// CreateNote implements sample.v1.NoteService.CreateNote.
func (s *NoteService) CreateNote(ctx context.Context, req *samplev1.CreateNoteRequest) (*samplev1.CreateNoteResponse, error) {
	resp := &samplev1.CreateNoteResponse{
		NoteId: req.GetNoteId(),
	}
	err := s.db.InTx(ctx, func(ctx context.Context, tx *store.Tx) error {
		// Write your rows here with tx. The events below leave if, and only if, the transaction commits.
		return s.events.NoteCreated(tx, &samplev1.NoteCreated{
			NoteId: req.GetNoteId(),
			Text:   req.GetText(),
		})
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}
