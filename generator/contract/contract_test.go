package contract

import (
	"bytes"
	"testing"
)

// FuzzParse reads arbitrary contracts: what it accepts, it prints and reads again, with the markers of a merge or without.
func FuzzParse(f *testing.F) {
	const one = `{"folder":"internal/orders","package":"orders","services":[{"proto":"a.S","type":"S","methods":[{"name":"M","kind":"unary","in":{"path":"p","alias":"a","name":"A"}}]}],"events":null,"messages":[{"path":"p","types":["A"]}]}`
	f.Add([]byte(one))
	f.Add([]byte("{\n<<<<<<< ours\n\"folder\": \"a\"\n||||||| base\n=======\n\"folder\": \"b\"\n>>>>>>> theirs\n}\n"))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse(text)
		if err != nil {
			return
		}
		printed, err := c.Format()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(printed)
		if err != nil {
			t.Fatalf("%v in\n%s", err, printed)
		}
		if twice, err := again.Format(); err != nil || !bytes.Equal(twice, printed) {
			t.Errorf("printed\n%s\nthen\n%s%v", printed, twice, err)
		}
	})
}
