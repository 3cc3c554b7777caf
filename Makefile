# golden/* are modules of their own; a test of the generator builds them.
GENERATOR = ./generator/... ./templates/fragment/... ./templates/gomod/... ./bench/... ./docs/... .
SERVICE   = ./templates/service/... ./test/...

# Where servers are missing, tests skip for a person and fail for CI.
RIG  = go run ./test/rig/cmd/rig
TEST = go test -timeout 20m

FAULT = *
BUG   = *
SOAK  = 2h

FUZZTIME = 1m

.DEFAULT_GOAL := help
.PHONY: help build test test-generator test-service faults museum soak soak-regen soak-faults rig generate generate-check lint bench bench-generator bench-service fuzz

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/svcgen
	CGO_ENABLED=0 go build -trimpath -o bin/svcgen .

test: ## everything; starts real servers
	go vet ./...
	$(TEST) $(GENERATOR)
	$(RIG) run -- $(TEST) -race $(SERVICE)
	$(MAKE) faults
	$(MAKE) museum BUG=today

test-generator: ## generator, its scripts, arrows, invariant, goldens built and tested
	$(TEST) $(GENERATOR)

test-service: ## the reference service under the race detector; alone, it skips what needs a server
	$(TEST) -race $(SERVICE)

faults: ## break servers and processes under a service and judge what became of its events; FAULT=kafka-* for some
	$(RIG) install
	$(TEST) -timeout 60m ./test/faults -v -run TestFaults -fault '$(FAULT)'

museum: ## put known mistakes into the service and see each caught; BUG=name or pattern, BUG=today for the day's few
	$(RIG) install
	$(TEST) -timeout 60m ./test/faults -v -run TestMuseum -museum '$(BUG)'

soak: soak-regen soak-faults ## both soaks, for SOAK=2h each

soak-regen: ## svcgen killed and failed at each of its system calls, then random services, people and changes for SOAK=2h
	go test ./generator/internal/crash -count=1 -timeout 24h -every
	go test ./generator/internal/property -count=1 -timeout 240h -soak $(SOAK)

soak-faults: ## random faults for SOAK=2h; adds a line to docs/soak.tsv
	go run ./test/faults/cmd/faults -soak $(SOAK) -ledger docs/soak.tsv

rig: ## start PostgreSQL, MariaDB, RabbitMQ and Kafka for a person, until Ctrl-C
	$(RIG) up

generate: ## rewrite everything that is derived: reference service, go.mod files, goldens, docs/manifest.md
	go test ./generator -run TestReferenceService -update
	go test ./templates/gomod -update
	go test ./generator -run 'TestGolden$$' -update
	go test ./docs -update

generate-check: ## fail when generate changes something
	$(MAKE) generate
	@git diff --exit-code || { echo 'stale: run make generate and commit the result' >&2; exit 1; }
	@test -z "$$(git status --porcelain)" || { git status --short; echo 'generate made new files: commit them' >&2; exit 1; }

lint: ## golangci-lint at the version tools/go.mod pins
	go tool -modfile=tools/go.mod golangci-lint run ./...
	go -C bench/service vet ./...

bench: bench-generator bench-service ## both benchmarks

bench-generator: ## measure the generator beside buf, protoc and goctl where they are on PATH
	go run ./bench/generator

bench-service: ## measure the running service beside hand-written code and other libraries, on real servers; BENCH=-short for three minutes
	go -C bench/service run ./run -svg ../../docs/performance-service.svg $(BENCH)

fuzz: ## each fuzz target of the generator for FUZZTIME=1m
	@for pkg in $$(grep -rl '^func Fuzz' --include='*_test.go' generator | xargs -rn1 dirname | sort -u); do \
		for f in $$(grep -rho '^func Fuzz[A-Za-z0-9_]*' $$pkg/*_test.go | awk '{print $$2}'); do \
			go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s ./$$pkg || exit 1; done; done
