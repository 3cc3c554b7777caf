package rig

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// freeAddr picks a free loopback port below the range from which the kernel takes ports for outgoing
// connections: a server must get the same port again when it restarts.
func freeAddr() (string, error) {
	const low, high = 15000, 32000
	for range 100 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(low+rand.IntN(high-low)))
		l, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		return addr, l.Close()
	}
	return "", fmt.Errorf("no free port between %d and %d on 127.0.0.1", low, high)
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr) // addr comes from freeAddr
	return port
}
