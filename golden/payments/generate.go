// Package payments is the root of the payments service; its program is cmd/payments.
package payments

//go:generate svcgen regen
