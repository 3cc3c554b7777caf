package sample

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
)

// WatchNotes implements sample.v1.NoteService.WatchNotes.
func (s *NoteService) WatchNotes(req *samplev1.WatchNotesRequest, stream grpc.ServerStreamingServer[samplev1.WatchNotesResponse]) error {
	return status.Error(codes.Unimplemented, "NoteService.WatchNotes is not implemented")
}
