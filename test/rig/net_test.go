package rig

import "testing"

// Kafka refuses a node with two listeners on one port, and a killed server must find its port free again.
func TestAPortIsClaimedOnce(t *testing.T) {
	servers := []*Server{{}, {}}
	seen := map[string]bool{}
	for i := range 600 { // of 17,000: twice at random among so many all but surely
		s := servers[i%2]
		addr, err := s.claimAddr()
		if err != nil {
			t.Fatal(err)
		}
		if seen[addr] {
			t.Fatalf("%s given twice", addr)
		}
		seen[addr] = true
	}
	for _, s := range servers {
		for _, claim := range s.claims {
			if err := claim.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
