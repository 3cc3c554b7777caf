package rig

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// claimAddr picks a free loopback port for s, below the range from which the kernel takes ports for outgoing
// connections: a server must get the same port again when it restarts. Until s is stopped no other claimAddr on
// this machine returns it, whether the server runs or not.
func (s *Server) claimAddr() (string, error) {
	const low, high = 15000, 32000
	for range 100 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(low+rand.IntN(high-low)))
		// The servers here want TCP only, so the UDP port of the same number is the claim: the kernel gives it once,
		// and takes it back from a process that died.
		claim, err := net.ListenPacket("udp", addr)
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			_ = claim.Close() // of a port that somebody else uses
			continue
		}
		s.claims = append(s.claims, claim)
		return addr, l.Close()
	}
	return "", fmt.Errorf("no free port between %d and %d on 127.0.0.1", low, high)
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr) // addr comes from claimAddr
	return port
}
