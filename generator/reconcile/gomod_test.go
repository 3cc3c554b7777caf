package reconcile

import "testing"

// TestMergeGoMod proves that the user's requirements stay in their lines and blocks, and which of svcgen's go again.
func TestMergeGoMod(t *testing.T) {
	const (
		base   = "module m\n\nrequire (\n\ta.com/a v1.0.0\n\ta.com/kafka v1.0.0\n)\n\nrequire a.com/deep v1.0.0 // indirect\n"
		theirs = "module m\n\nrequire (\n\ta.com/a v1.0.0\n\ta.com/rabbit v1.0.0\n)\n"
	)
	tests := []struct{ name, ours, used, want string }{
		{
			name: "what svcgen needs no more goes, what it needs now stands with its own",
			ours: base + "\n// end\n",
			want: "module m\n\nrequire (\n\ta.com/a v1.0.0\n\ta.com/rabbit v1.0.0\n)\n\nrequire a.com/deep v1.0.0 // indirect\n\n// end\n",
		},
		{
			name: "the user's blocks and lines are theirs",
			ours: base + "\nrequire (\n\t// why\n\ta.com/x v1.0.0\n)\n\nrequire a.com/y v1.0.0 // mine\n",
			want: "module m\n\nrequire (\n\ta.com/a v1.0.0\n\ta.com/kafka v1.0.0 // indirect\n\ta.com/rabbit v1.0.0\n)\n\nrequire a.com/deep v1.0.0 // indirect\n" +
				"\nrequire (\n\t// why\n\ta.com/x v1.0.0\n)\n\nrequire a.com/y v1.0.0 // mine\n",
		},
		{
			name: "other code names it",
			ours: base, used: "a.com/kafka",
			want: "module m\n\nrequire (\n\ta.com/a v1.0.0\n\ta.com/kafka v1.0.0\n\ta.com/rabbit v1.0.0\n)\n\nrequire a.com/deep v1.0.0 // indirect\n",
		},
		{
			name: "a tool of it",
			ours: "module m\n\ntool a.com/kafka/cmd/k\n\nrequire (\n\ta.com/a v1.0.0\n\ta.com/kafka v1.0.0\n)\n",
			want: "module m\n\ntool a.com/kafka/cmd/k\n\nrequire (\n\ta.com/a v1.0.0\n\ta.com/kafka v1.0.0\n\ta.com/rabbit v1.0.0\n)\n",
		},
		{
			name: "another version",
			ours: "module m\n\nrequire a.com/kafka v1.1.0\n",
			want: "module m\n\nrequire (\n\ta.com/kafka v1.1.0\n\ta.com/a v1.0.0\n\ta.com/rabbit v1.0.0\n)\n",
		},
		{
			name: "a comment, and lines without a block",
			ours: "module m\n\nrequire a.com/a v1.0.0\n\nrequire a.com/kafka v1.0.0 // mine\n",
			want: "module m\n\nrequire a.com/a v1.0.0\n\nrequire a.com/rabbit v1.0.0\n\nrequire a.com/kafka v1.0.0 // mine\n",
		},
		{
			name: "what was indirect meanwhile is svcgen's again",
			ours: "module m\n\nrequire (\n\ta.com/a v1.0.0 // indirect\n\ta.com/rabbit v1.0.0 // indirect; mine\n\ta.com/x v1.0.0\n)\n",
			want: "module m\n\nrequire (\n\ta.com/a v1.0.0\n\ta.com/rabbit v1.0.0 // indirect; mine\n\ta.com/x v1.0.0\n)\n",
		},
		{
			name: "of two versions of a module the newer one counts",
			ours: "module m\n\nrequire (\n\ta.com/a v1.9.0\n\ta.com/a v0.9.0\n\ta.com/rabbit v0.8.0\n\ta.com/rabbit v0.9.0\n)\n",
			want: "module m\n\nrequire (\n\ta.com/a v1.9.0\n\ta.com/a v0.9.0\n\ta.com/rabbit v1.0.0\n)\n",
		},
		{
			name: "a block with comments of its own",
			ours: "module m\n\nrequire ( // mine\n\ta.com/kafka v1.0.0\n) // too\n\nrequire (\n\ta.com/a v1.0.0\n\ta.com/rabbit v1.0.0\n)\n",
			want: "module m\n\nrequire ( // mine\n) // too\n\nrequire (\n\ta.com/a v1.0.0\n\ta.com/rabbit v1.0.0\n)\n",
		},
		{
			name: "the line that names the module is gone",
			ours: "// mine\n\nrequire (\n\ta.com/a v1.0.0\n\ta.com/rabbit v1.0.0\n)\n",
			want: "module m\n\n// mine\n\nrequire (\n\ta.com/a v1.0.0\n\ta.com/rabbit v1.0.0\n)\n",
		},
		{
			name: "all of it is gone",
			want: "module m\n\nrequire (\n\ta.com/a v1.0.0\n\ta.com/rabbit v1.0.0\n)\n",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			used := func(module string) bool { return module == test.used }
			got, err := mergeGoMod([]byte(base), []byte(test.ours), []byte(theirs), used)
			if err != nil || string(got) != test.want {
				t.Errorf("got\n%s\nwant\n%s%v", got, test.want, err)
			}
		})
	}
}
