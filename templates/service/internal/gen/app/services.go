package app

import (
	"google.golang.org/grpc"

	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
	"github.com/svcgen/svcgen/templates/service/internal/sample"
)

// Deps is what the service's constructors are made from.
type Deps = sample.Deps

// identity is what the manifest says of the service.
func identity() Identity {
	return Identity{
		Name:   "sample",
		Prefix: "SAMPLE_",
		Services: []string{
			"sample.v1.NoteService",
			"sample.v1.ChatService",
		},
	}
}

// register adds every service to the server.
func register(reg grpc.ServiceRegistrar, d Deps) {
	samplev1.RegisterNoteServiceServer(reg, sample.NewNoteService(d))
	samplev1.RegisterChatServiceServer(reg, sample.NewChatService(d))
}

// consumers lists every consumed event with its handler.
func consumers(d Deps) []consumer {
	c := sample.NewConsumers(d)
	return []consumer{
		consume("archive", c.OnNoteArchived),
	}
}
