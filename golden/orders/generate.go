// Package orders is the root of the orders service; its program is cmd/orders.
package orders

//go:generate svcgen regen
