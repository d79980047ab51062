// Command remora is the server, and what asks it: see "remora --help".
package main

import (
	"os"

	"github.com/remora-ray/remora/internal/cli"
)

// Set by the linker: -X main.version=… -X main.commit=….
var version, commit string

func main() { os.Exit(run()) }

func run() int {
	return cli.Main(os.Args[1:], cli.Build{Version: version, Commit: commit})
}
