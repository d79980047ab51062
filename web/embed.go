// Package web holds the built page, embedded into the program.
//
// Invariant: the package builds whether or not the page was built; a checkout
// without it carries a placeholder, and Files says so.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files returns the built page rooted at its index.html. It reports false when
// the program was built without the page.
func Files() (fs.FS, bool) {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, false
	}
	if _, err := fs.Stat(files, "index.html"); err != nil {
		return files, false
	}
	return files, true
}
