package cli

import (
	"encoding/json"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/svcgen/svcgen/generator/manifest"
	"github.com/svcgen/svcgen/generator/reconcile"
)

// devel is the version of a svcgen that was built from changed or unknown sources.
const devel = "devel"

// release is the version of a build that is not made by go install module@version. It is set by the linker, with
// -ldflags "-X github.com/svcgen/svcgen/generator/cli.release=v1.2.3", and by nothing else.
var release string

// version is the module version svcgen was built from.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || !strings.HasPrefix(info.Main.Version, "v") || strings.HasSuffix(info.Main.Version, "+dirty") {
		return devel
	}
	return info.Main.Version
}

// program is this svcgen, as a tree remembers it.
func (a *app) program() reconcile.Program {
	p := reconcile.Program{Version: a.version, Development: a.version == devel}
	if p.Development {
		p.Executable, _ = os.Executable() // where there is none, no tree is known to be of this build
	}
	return p
}

func (a *app) versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of svcgen",
		Args:  args(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return json.NewEncoder(a.stdout).Encode(map[string]string{
					"version": a.version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
				})
			}
			a.printf("svcgen %s\n", a.version)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON, with the Go version and platform")
	return cmd
}

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of svcgen.yaml, for editors",
		Args:  args(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			text, err := manifest.JSONSchema()
			if err != nil {
				return err
			}
			a.printf("%s", text)
			return nil
		},
	}
}

func (a *app) completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:       "completion bash|zsh|fish|powershell",
		Short:     "Print a completion script for a shell",
		ValidArgs: shells,
		Args:      args(1, 1, "one shell: "+strings.Join(shells, ", ")),
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(a.stdout)
			default:
				return usage("no completion for "+args[0], "write one of "+strings.Join(shells, ", "))
			}
		},
	}
}
