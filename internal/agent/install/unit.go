package install

import (
	_ "embed"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

//go:embed unit.service
var template string

// Unit is what differs from one machine's systemd unit to another's.
type Unit struct {
	Program string   // path of the agent
	Args    []string // of the agent
	User    string   // whose files Ray's are
	RayRoot string
	State   string
	Drain   time.Duration // how long the agent may go on after SIGTERM
}

// defaultState is below systemd's own directory of states.
const defaultState = "/var/lib/remora-agent"

var userName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$`)

func (u *Unit) check() error {
	if !userName.MatchString(u.User) {
		return fmt.Errorf("user %q is not a user's name: name the one that Ray runs as with --user", u.User)
	}
	for name, path := range map[string]string{"program": u.Program, "ray root": u.RayRoot, "state": u.State} {
		if !filepath.IsAbs(path) {
			return fmt.Errorf("%s %q must be an absolute path", name, path)
		}
	}
	for _, s := range append([]string{u.Program, u.RayRoot, u.State}, u.Args...) {
		if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }) {
			return errors.New("a setting has a control character in it")
		}
	}
	return nil
}

// Text is the unit's file.
func (u *Unit) Text() (string, error) {
	if err := u.check(); err != nil {
		return "", err
	}
	words := []string{u.Program}
	for _, a := range u.Args {
		words = append(words, quote(a))
	}
	state := "ReadWritePaths=" + path(u.State)
	if u.State == defaultState {
		state = "StateDirectory=remora-agent\nStateDirectoryMode=0700"
	}
	return strings.NewReplacer(
		"@EXEC@", strings.Join(words, " "),
		"@USER@", u.User,
		"@STATE@", state,
		"@WRITE@", u.writable(),
		"@STOP@", fmt.Sprintf("%ds", int((u.Drain+5*time.Second)/time.Second)),
	).Replace(template), nil
}

// writable is the directory above Ray's, which is there when Ray's is not; never the
// whole file system.
func (u *Unit) writable() string {
	root := filepath.Clean(u.RayRoot)
	if above := filepath.Dir(root); above != "/" {
		return path(above)
	}
	return "-" + path(root)
}

// quote writes one word of a command line, as systemd.service(5) has it.
func quote(s string) string {
	s = strings.NewReplacer("%", "%%", "$", "$$").Replace(s)
	if s != "" && !strings.ContainsAny(s, " \"'\\;") {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// path writes one path of a list.
func path(s string) string {
	s = strings.ReplaceAll(filepath.Clean(s), "%", "%%")
	if !strings.ContainsAny(s, " \"'\\") {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
