// Package inventory is the root of the inventory service; its program is cmd/inventory.
package inventory

//go:generate svcgen regen
