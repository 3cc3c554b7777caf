package sample

import (
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
	"github.com/svcgen/svcgen/templates/service/internal/gen/testkit"
)

func TestNoteService_CreateNote(t *testing.T) {
	tests := []struct {
		name   string
		req    *samplev1.CreateNoteRequest
		want   codes.Code
		events []string
	}{
		{
			name:   "an empty request",
			req:    &samplev1.CreateNoteRequest{},
			want:   codes.OK,
			events: []string{"sample.v1.NoteCreated"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			deps := testDeps(t)
			_, err := NewNoteService(deps).CreateNote(t.Context(), tt.req)
			if got := status.Code(err); got != tt.want {
				t.Errorf("code %v, want %v: %v", got, tt.want, err)
			}
			if got := testkit.Emitted(t, deps.DB); !slices.Equal(got, tt.events) {
				t.Errorf("emitted %v, want %v", got, tt.events)
			}
		})
	}
}
