package sample

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
	"github.com/svcgen/svcgen/templates/service/internal/gen/testkit"
)

func TestChatService_Chat(t *testing.T) {
	tests := []struct {
		name string
		reqs []*samplev1.ChatRequest
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
			stream := testkit.NewStream[samplev1.ChatRequest, samplev1.ChatResponse](t.Context(), tt.reqs...)
			err := NewChatService(testDeps(t)).Chat(stream)
			if got := status.Code(err); got != tt.want {
				t.Errorf("code %v, want %v: %v", got, tt.want, err)
			}
		})
	}
}
