package sample

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
)

// Chat implements sample.v1.ChatService.Chat.
func (s *ChatService) Chat(stream grpc.BidiStreamingServer[samplev1.ChatRequest, samplev1.ChatResponse]) error {
	return status.Error(codes.Unimplemented, "ChatService.Chat is not implemented")
}
