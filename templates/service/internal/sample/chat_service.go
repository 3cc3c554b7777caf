package sample

import (
	samplev1 "github.com/svcgen/svcgen/templates/service/gen/sample/v1"
	"github.com/svcgen/svcgen/templates/service/internal/gen/events"
	"github.com/svcgen/svcgen/templates/service/internal/gen/store"
)

// ChatService implements sample.v1.ChatService.
type ChatService struct {
	samplev1.UnimplementedChatServiceServer
	db     *store.DB
	events *events.Events
}

// NewChatService makes the service.
func NewChatService(d Deps) *ChatService {
	return &ChatService{db: d.DB, events: d.Events}
}
