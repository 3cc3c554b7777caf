module svcgen.invalid/service

go 1.26.0

require google.golang.org/genproto/googleapis/api v0.0.0-20261005182115-fad411399dd8

require google.golang.org/protobuf v1.36.12 // indirect
