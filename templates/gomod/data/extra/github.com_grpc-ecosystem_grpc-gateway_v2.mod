module svcgen.invalid/service

go 1.26.0

require github.com/grpc-ecosystem/grpc-gateway/v2 v2.30.0

require google.golang.org/protobuf v1.36.12 // indirect
