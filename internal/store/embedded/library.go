package embedded

import (
	"flag"
	"fmt"
	"strconv"
	"sync"

	_ "github.com/remora-ray/remora/internal/store/quiet" // before lib/logstorage
)

var startOnce sync.Once

// startLibrary sets what lib/logstorage takes from flags of the process. It
// panics when flags were not parsed; ours are pflags, so the standard set is
// empty but for the library's own. In a test binary the set is parsed by now.
// What is mapped of the files counts as the process's memory and grows with what
// is stored, so with a limit they are read instead: that takes some more CPU.
func startLibrary(memoryBytes int64, limited bool) {
	startOnce.Do(func() {
		if !flag.Parsed() {
			// Parse(nil) reads no argument and cannot fail.
			_ = flag.CommandLine.Parse(nil)
		}
		for name, value := range map[string]string{
			"memory.allowedBytes": fmt.Sprint(memoryBytes),
			"loggerLevel":         "ERROR", // its warnings print lines of logs
			"fs.disableMmap":      strconv.FormatBool(limited),
		} {
			if err := flag.Set(name, value); err != nil {
				panic(fmt.Sprintf("lib/logstorage has no flag %s: %v", name, err))
			}
		}
	})
}
