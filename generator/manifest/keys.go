package manifest

import "regexp"

// kind is the type of a key's value.
type kind int

const (
	text kind = iota
	integer
	texts  // list of strings
	object // mapping
	objects
)

// key is one row of the table: everything svcgen knows about a key of the manifest.
type key struct {
	name     string
	kind     kind
	doc      string
	example  string // YAML, as a user would write it
	def      string // default
	defDoc   string // a default that is no constant, in words
	required bool
	enum     []string
	grammar  *regexp.Regexp // of the string, or of each string of a list
	form     string         // what the grammar demands, in words: "must be ..."
	keys     []key          // of a mapping, or of each mapping of a list
}

const (
	elem   = `\.?[^./\\\x00-\x1f][^/\\\x00-\x1f]*` // of a path: no . or .., no backslash, no control character
	ident  = `[A-Za-z_][A-Za-z0-9_]*`
	dotted = `^` + ident + `(\.` + ident + `)*$`
)

// table is the manifest's grammar. Its order is the order in which keys are documented and written.
func table() []key {
	message := key{
		name: "message", kind: text, required: true,
		example: "acme.orders.v1.OrderPlaced",
		grammar: regexp.MustCompile(dotted),
		form:    "must be the full name of a proto message, such as acme.orders.v1.OrderPlaced",
	}
	topic := key{
		name: "topic", kind: text, required: true,
		example: "orders",
		grammar: regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,248}$`),
		form:    "must be at most 249 letters, digits, dots, underscores and hyphens, not starting with a dot",
	}
	published, consumed := message, message
	published.doc = "Full name of the message that is published."
	consumed.doc = "Full name of the message that is handled."
	consumed.example = "acme.payments.v1.PaymentCaptured"
	to, from := topic, topic
	to.doc = "Kafka topic; for RabbitMQ the exchange, with the message name as routing key."
	from.doc = "Kafka topic or RabbitMQ exchange it arrives on."
	from.example = "payments"
	return []key{
		{
			name: "version", kind: integer, def: "1", enum: []string{"1"},
			doc:     "Version of the manifest's format.",
			example: "1",
		},
		{
			name: "name", kind: text, required: true,
			doc:     "Name of the service: its binary, its folder in cmd, its metrics namespace and the source of its events.",
			example: "orders",
			grammar: regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`),
			form:    "must be a DNS label: at most 63 lower-case letters, digits and hyphens, starting with a letter",
		},
		{
			name: "module", kind: text, required: true,
			doc:     "Go module path of the service.",
			example: "github.com/acme/orders",
		},
		{
			name: "proto", kind: object, required: true,
			doc: "The contract.",
			keys: []key{
				{
					name: "files", kind: texts, required: true,
					doc:     "Proto files, relative to an import root. The services in them are served.",
					example: "[acme/orders/v1/orders.proto]",
					grammar: regexp.MustCompile(`^(` + elem + `/)*` + elem + `\.proto$`),
					form:    "must be a path relative to an import root, with slashes, without .. and ending in .proto",
				},
				{
					name: "imports", kind: texts,
					defDoc:  "`proto` if that folder exists, else the manifest's folder",
					doc:     "Import roots: folders, relative to the manifest, in which imports are looked up, in this order.",
					example: "[proto]",
					grammar: regexp.MustCompile(`^[^/\\:\x00-\x1f][^\\:\x00-\x1f]*$`),
					form:    "must be a folder relative to the manifest, with slashes",
				},
			},
		},
		{
			name: "database", kind: text, def: "sqlite", enum: []string{"sqlite", "postgres", "mysql"},
			doc:     "Where the service keeps its data and its outbox.",
			example: "postgres",
		},
		{
			name: "broker", kind: text, def: "memory", enum: []string{"memory", "kafka", "rabbitmq"},
			doc:     "What carries its events. `memory` delivers inside the process only.",
			example: "kafka",
		},
		{
			name: "publishes", kind: objects,
			doc: "Events the service publishes through its outbox.",
			keys: []key{published, to, {
				name: "key", kind: text,
				defDoc:  "no key: no order is promised",
				doc:     "Path of the field that is the event's key. Events of one key keep their order.",
				example: "order_id",
				grammar: regexp.MustCompile(dotted),
				form:    "must be the path of a field of the message, such as order_id or order.id",
			}, {
				name: "on", kind: texts,
				defDoc:  "no method",
				doc:     "Methods whose first stub emits it: `PlaceOrder`, or `OrderService.PlaceOrder` if several services have one.",
				example: "[PlaceOrder]",
				grammar: regexp.MustCompile(dotted),
				form:    "must be a method, such as PlaceOrder or OrderService.PlaceOrder",
			}},
		},
		{
			name: "consumes", kind: objects,
			doc:  "Events the service handles.",
			keys: []key{consumed, from},
		},
	}
}
