package app

import (
	"context"
	"encoding/json"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/svcgen/svcgen/templates/service/internal/gen/admin"
	"github.com/svcgen/svcgen/templates/service/internal/gen/event"
)

// version is the module's version, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	rev := settings["vcs.revision"]
	if len(rev) > 12 {
		rev = rev[:12]
	}
	switch {
	case rev == "":
		return info.Main.Version
	case settings["vcs.modified"] == "true":
		return rev + "-modified"
	default:
		return rev
	}
}

// status collects what the status page shows.
func (s *Service) status(ctx context.Context) admin.Status {
	st := admin.Status{
		Service: s.id.Name, Version: version(), Go: runtime.Version(), Started: s.started, Now: time.Now(),
		Broker: admin.Broker{Connected: true},
	}
	if err := s.ready.Err(); err != nil {
		st.NotReady = err.Error()
	} else {
		st.Ready = true
	}
	st.Calls, st.Streams = s.grpc.InFlight()
	relay := s.relay.Status()
	st.Outbox = admin.Outbox{Shards: relay.Shards, Held: relay.Held, InFlight: relay.InFlight}
	if stats, err := s.db.Queue().Stats(ctx); err != nil {
		st.Outbox.Error = err.Error()
	} else {
		st.Outbox.Pending, st.Outbox.OldestAge = stats.Pending, stats.OldestAge
		st.Outbox.Dead, st.Outbox.BlockedKeys = stats.Dead, stats.BlockedKeys
	}
	for _, d := range relay.Down {
		st.Outbox.Down = append(st.Outbox.Down, admin.Destination{Topic: d.Topic, Error: d.Error})
	}
	if err := s.broker.Status(); err != nil {
		st.Broker = admin.Broker{Error: err.Error()}
	}
	for _, set := range s.cfg.Redacted() {
		st.Config = append(st.Config, admin.Setting(set))
	}
	for _, e := range s.errors.List() {
		st.Errors = append(st.Errors, admin.Failure(e))
	}
	for _, f := range relay.Failures {
		st.Errors = append(st.Errors, admin.Failure{Time: f.At, Message: "outbox relay: " + f.What, Detail: f.Error})
	}
	slices.SortStableFunc(st.Errors, func(a, b admin.Failure) int { return b.Time.Compare(a.Time) })
	return st
}

// watcher is a broker in this process, whose messages can be looked at as they pass.
type watcher interface {
	Watch(ctx context.Context, from uint64, follow bool, f func(event.Seen) error) error
}

// watchEvents is the source of the admin port's event stream; nil when the broker is elsewhere.
func (s *Service) watchEvents() func(context.Context, bool, func(any) error) error {
	w, ok := any(s.broker).(watcher)
	if !ok {
		return nil
	}
	return func(ctx context.Context, follow bool, yield func(any) error) error {
		return w.Watch(ctx, 0, follow, func(seen event.Seen) error { return yield(cloudEvent(seen)) })
	}
}

// cloudEventJSON is an event in the JSON format of CloudEvents 1.0, with the topic as an extension.
type cloudEventJSON struct {
	SpecVersion     string          `json:"specversion"`
	Type            string          `json:"type"`
	ID              string          `json:"id"`
	Source          string          `json:"source"`
	Time            string          `json:"time,omitempty"`
	Subject         string          `json:"subject,omitempty"`
	PartitionKey    string          `json:"partitionkey,omitempty"`
	TraceParent     string          `json:"traceparent,omitempty"`
	Topic           string          `json:"topic"`
	DataContentType string          `json:"datacontenttype"`
	Data            json.RawMessage `json:"data,omitempty"`
	DataBase64      []byte          `json:"data_base64,omitempty"`
}

// cloudEvent shows an event with its data as JSON where its type is linked in, else as it is.
func cloudEvent(seen event.Seen) cloudEventJSON {
	out := cloudEventJSON{
		SpecVersion: "1.0", Type: seen.Type, ID: seen.ID.String(), Source: seen.Source,
		Subject: seen.Key, PartitionKey: seen.Key, TraceParent: seen.Traceparent, Topic: seen.Topic,
		DataContentType: "application/json",
	}
	if !seen.CreatedAt.IsZero() {
		out.Time = seen.CreatedAt.UTC().Format(time.RFC3339Nano)
	}
	data, err := payloadJSON(seen.Type, seen.Payload)
	if err != nil {
		out.DataContentType, out.DataBase64 = event.ContentType, seen.Payload
		return out
	}
	out.Data = data
	return out
}

// payloadJSON decodes a message of the named type.
func payloadJSON(name string, payload []byte) ([]byte, error) {
	mt, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
	if err != nil {
		return nil, err
	}
	m := mt.New().Interface()
	if err := proto.Unmarshal(payload, m); err != nil {
		return nil, err
	}
	return protojson.Marshal(m)
}
