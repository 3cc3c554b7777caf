package sample

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
	"github.com/svcgen/svcgen/templates/service/internal/gen/testkit"
)

func TestChatService_Import(t *testing.T) {
	tests := []struct {
		name string
		reqs []*samplev1.ImportRequest
		want codes.Code
	}{
		{
			name: "no request",
			reqs: nil,
			want: codes.Unimplemented,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stream := testkit.NewStream[samplev1.ImportRequest, samplev1.ImportResponse](t.Context(), tt.reqs...)
			err := NewChatService(testDeps(t)).Import(stream)
			if got := status.Code(err); got != tt.want {
				t.Errorf("code %v, want %v: %v", got, tt.want, err)
			}
		})
	}
}
