package plan

import (
	"github.com/svcgen/svcgen/generator/fileset"
	"github.com/svcgen/svcgen/generator/ir"
)

// table lists every kind of file an emitted service has.
func table(s *ir.Service) []row {
	pkg, gen := "internal/"+s.Package, "internal/gen/"
	return []row{
		{fileset.User, sources(), "the manifest or a proto: what svcgen reads"},
		{fileset.User, fragment("generate.go", "generate.go.tmpl"), "lets go generate run svcgen regen"},
		{fileset.User, fragment("cmd/"+s.Name+"/main.go", "main.go.tmpl"), "the program; makes what your constructors are given"},
		{fileset.User, deps(pkg + "/deps.go"), "what your constructors are made from"},
		{fileset.User, fragment(pkg+"/deps_test.go", "deps_test.go.tmpl"), "the same for tests"},
		{fileset.User, services(), "one for each served gRPC service"},
		{fileset.User, methods(), "one for each method"},
		{fileset.User, methodTests(), "one for each method: its table test"},
		{fileset.User, consumers(pkg), "the type your event handlers are methods of"},
		{fileset.User, handlers(), "one for each consumed event"},
		{fileset.User, handlerTests(), "one for each consumed event: its test"},
		{fileset.User, migrations("migrations"), "migrations are append-only: svcgen adds files and changes none"},

		{fileset.Merged, fragment("cmd/"+s.Name+"/main_test.go", "main_test.go.tmpl"), "end to end test of the whole service"},
		{fileset.Merged, fragment("cmd/"+s.Name+"/defaults_test.go", "defaults_test.go.tmpl"), "what the service runs with when nothing is configured"},
		{fileset.Merged, publishesTest("cmd/" + s.Name + "/publishes_test.go"), "end to end test: what your methods publish"},
		{fileset.Merged, consumesTest("cmd/" + s.Name + "/consumes_test.go"), "end to end test: what you consume"},
		{fileset.Merged, modules(), "the tested versions of what the service depends on"},
		{fileset.Merged, fragment("README.md", "README.md.tmpl"), "how to run, configure and change the service"},
		{fileset.Merged, fragment("Makefile", "Makefile.tmpl"), "the commands of a working day"},
		{fileset.Merged, fragment("Dockerfile", "Dockerfile.tmpl"), "the container image"},
		{fileset.Merged, fragment("compose.yaml", "compose.yaml.tmpl"), "the service and its servers on one machine"},
		{fileset.Merged, fragment(".env.example", "env.example.tmpl"), "settings for one machine"},
		{fileset.Merged, vetted(one(".dockerignore", ".gitattributes", ".gitignore", ".golangci.yml")), "settings of the tools around the service"},
		{fileset.Merged, vetted(folders(".github/workflows")), "continuous integration"},
		{fileset.Merged, fragment("deploy/kustomization.yaml", "deploy_kustomization.yaml.tmpl"), "a Kubernetes base; says which secrets it wants"},
		{fileset.Merged, fragment("deploy/deployment.yaml", "deploy_deployment.yaml.tmpl"), "Kubernetes: the service, its probes and its limits"},
		{fileset.Merged, fragment("deploy/service.yaml", "deploy_service.yaml.tmpl"), "Kubernetes: its name"},
		{fileset.Merged, fragment("deploy/disruption.yaml", "deploy_disruption.yaml.tmpl"), "Kubernetes: one replica down at a time"},
		{fileset.Merged, fragment("deploy/network.yaml", "deploy_network.yaml.tmpl"), "Kubernetes: who may call and be called"},

		{fileset.Svcgen, generated(), "generated from a proto"},
		{fileset.Svcgen, promises(), "what is served and published, which the next run compares with"},
		{fileset.Svcgen, ignore(".svcgen/.gitignore"), "keeps what svcgen needs for one run only out of version control"},
		{fileset.Svcgen, fragment(gen+"doc.go", "doc.go.tmpl"), "what internal/gen is, and which svcgen wrote it"},
		{fileset.Svcgen, registration(gen + "app/services.go"), "registers your services and consumers"},
		{fileset.Svcgen, events(gen + "events/events.go"), "one function for each published event"},
		{fileset.Svcgen, one(gen + "events/emit.go"), "part of package events"},
		{fileset.Svcgen, folders(
			gen+"admin", gen+"app", gen+"app/apptest", gen+"broker", gen+"config", gen+"event", gen+"outbox", gen+"rpc",
			gen+"store", gen+"telemetry", gen+"testkit", gen+"testkit/testbroker", gen+"testkit/testdb", gen+"validate",
		), "the same in every service with this database and broker"},
	}
}
