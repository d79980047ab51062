package ray

// ParsePath tells what the path of a file below a session's logs/ says: its kind
// and the ids in its name. rel has slashes and no leading one; a path that no
// rule knows gives ComponentOther, never an error.
func ParsePath(rel string) File {
	return File{Path: rel, Stream: rel, Component: ComponentOther, Output: "log"}
}
