package sample

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
	"github.com/svcgen/svcgen/templates/service/internal/gen/testkit"
)

func TestNoteService_WatchNotes(t *testing.T) {
	tests := []struct {
		name string
		req  *samplev1.WatchNotesRequest
		want codes.Code
	}{
		{
			name: "an empty request",
			req:  &samplev1.WatchNotesRequest{},
			want: codes.Unimplemented,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stream := testkit.NewStream[samplev1.WatchNotesRequest, samplev1.WatchNotesResponse](t.Context())
			err := NewNoteService(testDeps(t)).WatchNotes(tt.req, stream)
			if got := status.Code(err); got != tt.want {
				t.Errorf("code %v, want %v: %v", got, tt.want, err)
			}
		})
	}
}
