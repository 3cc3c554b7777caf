// Package sample is the root of the sample service; its program is cmd/sample.
package sample

//go:generate svcgen regen
