module svcgen.invalid/service

go 1.26.0

require cel.dev/expr v0.25.3

require google.golang.org/protobuf v1.36.12 // indirect
