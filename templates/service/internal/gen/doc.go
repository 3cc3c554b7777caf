// Package gen is what the service runs on. Everything below this folder was written by svcgen and is written
// again by svcgen regen: change the manifest or the protos, not these files.
//
// A request goes through rpc (limits, recovery, ids, logs, metrics, errors) to your method, which opens a
// transaction of store and publishes through events; outbox carries committed events to broker. app wires it all
// up and takes it down in order, config reads the settings, admin serves probes and the status page, telemetry
// logs, counts and traces. Nothing here imports svcgen.
package gen
