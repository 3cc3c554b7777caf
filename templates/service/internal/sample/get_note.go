package sample

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
)

// GetNote implements sample.v1.NoteService.GetNote.
func (s *NoteService) GetNote(ctx context.Context, req *samplev1.GetNoteRequest) (*samplev1.GetNoteResponse, error) {
	return nil, status.Error(codes.Unimplemented, "NoteService.GetNote is not implemented")
}
