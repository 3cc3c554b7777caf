package main

import (
	"testing"
	"time"

	"github.com/acme/payments/internal/gen/app/apptest"
)

// TestSecureDefaults reads what the service runs with when nothing is configured, and what its image and manifests
// say, and fails when one of them has drifted. Change a line here together with what it guards, and say why.
func TestSecureDefaults(t *testing.T) {
	got := apptest.Defaults(t)
	for setting, want := range map[string]string{
		// Limits on everything a client can ask for.
		"grpc streams per connection": "250",
		"grpc largest message in":     "4194304",
		"grpc largest message out":    "4194304",
		"grpc header list":            "16384",
		"grpc handshake":              "10s",
		"grpc keepalive":              "2m0s",
		"grpc keepalive timeout":      "20s",
		"grpc idle connection":        "15m0s",
		"grpc connection age":         "30m0s",
		"grpc connection grace":       "30s",
		"grpc pings no closer than":   "20s",
		"GRPC_TIMEOUT":                "10s",
		"EVENT_TIMEOUT":               "30s",
		"GRPC_MAX_IN_FLIGHT":          "0", // 64 for each CPU

		// Nothing is open that was not asked for.
		"GRPC_ADDR":       "127.0.0.1:9090",
		"ADMIN_ADDR":      "127.0.0.1:9091",
		"INSECURE":        "false",
		"grpc reflection": "false",
		"grpc channelz":   "false",
		"grpc health":     "true",

		// It stops in order, and in time.
		"DRAIN_DELAY": "5s",
		"GRPC_GRACE":  "20s",
		"RELAY_DRAIN": "5s",

		"TRACE_SAMPLE":       "0.01",
		"RELAY_MAX_ATTEMPTS": "20",
		"RELAY_ON_DEAD":      "block_key",

		// A statement that hangs does not take a connection with it.
		"DATABASE_STATEMENT_TIMEOUT":  "5s",
		"DATABASE_LOCK_TIMEOUT":       "2s",
		"DATABASE_IDLE_IN_TX_TIMEOUT": "30s",
		"DATABASE_MAX_CONNS":          "16",
		"DATABASE_MIGRATE":            "false",

		// What no queue wants is refused, not dropped.
		"RABBITMQ_MANDATORY": "true",
	} {
		if got[setting] != want {
			t.Errorf("%s is %q, want %q", setting, got[setting], want)
		}
	}

	const dockerfile, deployment = "../../Dockerfile", "../../deploy/deployment.yaml"
	apptest.Says(t, dockerfile, "USER 65532:65532")
	apptest.Never(t, dockerfile, ":latest")
	apptest.Says(t, deployment,
		"automountServiceAccountToken: false", "runAsNonRoot: true", "type: RuntimeDefault",
		"allowPrivilegeEscalation: false", "readOnlyRootFilesystem: true", "drop: [ALL]",
		"httpGet: {path: /livez, port: admin}", "httpGet: {path: /readyz, port: admin}", "startupProbe:",
		"name: GOMEMLIMIT", "memory: 256Mi", "topologySpreadConstraints:",
	)
	apptest.Never(t, deployment, "hostPath", "privileged: true", "hostNetwork")
	apptest.Never(t, "../../deploy/kustomization.yaml", "newTag: latest")
	apptest.Says(t, "../../deploy/disruption.yaml", "maxUnavailable: 1")
	apptest.Says(t, "../../deploy/network.yaml", "policyTypes: [Ingress, Egress]")
	apptest.Says(t, "../../.github/workflows/ci.yml", "permissions: {}", "persist-credentials: false")

	// Kubernetes kills what has not ended by itself: the steps of a stop must fit in, with some to spare.
	if grace, ok := apptest.Number(t, deployment, "terminationGracePeriodSeconds:"); ok {
		steps, _ := apptest.Number(t, deployment, "seconds:") // of preStop
		for _, setting := range []string{"DRAIN_DELAY", "GRPC_GRACE", "RELAY_DRAIN"} {
			d, err := time.ParseDuration(got[setting])
			if err != nil {
				t.Fatal(err)
			}
			steps += int(d.Seconds())
		}
		if grace < steps+5 {
			t.Errorf("%s gives %d seconds, and a stop may take %d", deployment, grace, steps)
		}
	}
}
