package cli

import (
	"github.com/spf13/cobra"

	"github.com/svcgen/svcgen/generator/schema"
)

// maxProto is the size in MiB up to which a proto file is read.
type maxProto uint16

func (m *maxProto) flag(cmd *cobra.Command) {
	cmd.Flags().Uint16Var((*uint16)(m), "max-proto-size", schema.DefaultFileSize>>20, "MiB up to which a proto file is read")
}

// limits are those of package schema, with room for a closure in the same proportion as it has by default.
func (m maxProto) limits() schema.Limits {
	size := int(m) << 20
	return schema.Limits{FileSize: size, ClosureSize: max(schema.DefaultClosureSize, size*(schema.DefaultClosureSize/schema.DefaultFileSize))}
}
