package sample

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
)

// Import implements sample.v1.ChatService.Import.
func (s *ChatService) Import(stream grpc.ClientStreamingServer[samplev1.ImportRequest, samplev1.ImportResponse]) error {
	return status.Error(codes.Unimplemented, "ChatService.Import is not implemented")
}
