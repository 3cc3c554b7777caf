package generator

//go:generate go test . -run ^(TestReferenceService|TestGolden)$ -update
