package sample

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
)

func TestNoteService_GetNote(t *testing.T) {
	tests := []struct {
		name string
		req  *samplev1.GetNoteRequest
		want codes.Code
	}{
		{
			name: "an empty request",
			req:  &samplev1.GetNoteRequest{},
			want: codes.Unimplemented,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewNoteService(testDeps(t)).GetNote(t.Context(), tt.req)
			if got := status.Code(err); got != tt.want {
				t.Errorf("code %v, want %v: %v", got, tt.want, err)
			}
		})
	}
}
