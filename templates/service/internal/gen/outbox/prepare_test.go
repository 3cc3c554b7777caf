package outbox

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
)

func TestPrepare(t *testing.T) {
	ok := Message{Topic: "orders", Key: "k", Type: "t"}
	edit := func(f func(*Message)) Message { m := ok; f(&m); return m }
	header := func(name string) Message { return edit(func(m *Message) { m.Headers = map[string]string{name: "v"} }) }
	for _, c := range []struct {
		name string
		m    Message
		want error
	}{
		{"ok", ok, nil},
		{"largest payload", edit(func(m *Message) { m.Payload = make([]byte, MaxPayload) }), nil},
		{"too large", edit(func(m *Message) { m.Payload = make([]byte, MaxPayload+1) }), ErrTooLarge},
		{"long key", edit(func(m *Message) { m.Key = strings.Repeat("k", MaxKey+1) }), ErrTooLarge},
		{"long topic", edit(func(m *Message) { m.Topic = strings.Repeat("t", MaxTopic+1) }), ErrTooLarge},
		{"large headers", edit(func(m *Message) { m.Headers = map[string]string{"h": strings.Repeat("v", MaxHeaders)} }), ErrTooLarge},
		{"no topic", edit(func(m *Message) { m.Topic = "" }), ErrInvalid},
		{"no type", edit(func(m *Message) { m.Type = "" }), ErrInvalid},
		{"own header", header("tenant"), nil},
		{"empty header", header(""), ErrInvalid},
		{"ce header", header("CE_id"), ErrInvalid},
		{"amqp header", header("cloudEvents_id"), ErrInvalid},
		{"trace header", header("Traceparent"), ErrInvalid},
		{"content type", header("content-type"), ErrInvalid},
	} {
		got, err := Prepare(t.Context(), c.m)
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		if err == nil && got.ID.Version() != 7 {
			t.Errorf("%s: id %v is no UUIDv7", c.name, got.ID)
		}
	}
	own := uuid.New()
	if got, err := Prepare(t.Context(), edit(func(m *Message) { m.ID = own })); err != nil || got.ID != own {
		t.Errorf("an id that was given became %v, %v", got.ID, err)
	}
}
