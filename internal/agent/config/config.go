// Package config reads the agent's configuration file and checks it: YAML, every
// key known, every mistake told with its line, column and the nearest known key.
//
// Invariant: a Config that Load returns is whole and can be run; one that cannot
// is told as Errors, all of them at once, and no value that came from the
// environment or from another file is in them.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/remora-ray/remora/internal/agent/ship"
	"github.com/remora-ray/remora/internal/logs"
)

// Config is a checked configuration. Its yaml tags are the keys of the file;
// reference.go says what they mean.
type Config struct {
	Cluster   string `yaml:"cluster"`
	Namespace string `yaml:"namespace"`
	Pod       string `yaml:"pod"`
	PodUID    string `yaml:"pod_uid"`
	Container string `yaml:"container"`
	NodeType  string `yaml:"node_type"`
	Group     string `yaml:"group"`

	State        string         `yaml:"state"`
	Listen       string         `yaml:"listen"`
	LogLevel     slog.Level     `yaml:"log_level"`
	Timezone     *time.Location `yaml:"timezone"` // nil: the process's
	DrainTimeout time.Duration  `yaml:"drain_timeout"`
	ScanInterval time.Duration  `yaml:"scan_interval"`
	HoldBytes    Size           `yaml:"hold_bytes"` // of all engines together
	MaxOpenFiles int            `yaml:"max_open_files"`
	Readers      int            `yaml:"readers"` // 0: one per core, four at most
	BatchBytes   Size           `yaml:"batch_bytes"`
	BatchWait    time.Duration  `yaml:"batch_wait"`

	Labels   logs.Labels `yaml:"labels"`
	Metadata logs.Labels `yaml:"metadata"`

	Sources  []Source    `yaml:"sources"`
	Pipeline []yaml.Node `yaml:"pipeline"`
	Outputs  []Output    `yaml:"outputs"`

	// Plain says that one source and one output were named by flags alone: the
	// state directory is theirs.
	Plain bool `yaml:"-"`
	// Files are the configuration file and those that it refers to.
	Files []File `yaml:"-"`
}

// Source is files to follow: exactly one of Ray, Files and Containers is set.
type Source struct {
	Name       string      `yaml:"name"`
	Ray        *Ray        `yaml:"ray"`
	Files      *Files      `yaml:"files"`
	Containers *Containers `yaml:"containers"`
	Labels     logs.Labels `yaml:"labels"`
	Metadata   logs.Labels `yaml:"metadata"`
}

// Ray is a node's temp directory or, with Volumes or Dirs, those of the pods of a
// Kubernetes node.
type Ray struct {
	Root       string `yaml:"root"`
	Volumes    string `yaml:"volumes"`
	Dirs       string `yaml:"dirs"`
	Pods       bool   `yaml:"pods"`
	PodTenants bool   `yaml:"pod_tenants"`
}

// Files are files found by patterns.
type Files struct {
	Include        []string `yaml:"include"`
	Exclude        []string `yaml:"exclude"`
	Component      string   `yaml:"component"`
	FollowSymlinks bool     `yaml:"follow_symlinks"`
}

// Containers are the logs that a Kubernetes node keeps of its pods.
type Containers struct {
	Root    string   `yaml:"root"`
	Include []string `yaml:"include"`
	Exclude []string `yaml:"exclude"`

	PodTenants bool `yaml:"pod_tenants"`
}

// Output is where lines go: exactly one of Remora, Loki and Stdout is set.
type Output struct {
	Name     string       `yaml:"name"`
	Remora   *ship.HTTP   `yaml:"remora"`
	Loki     *ship.HTTP   `yaml:"loki"`
	Stdout   *ship.Stdout `yaml:"stdout"`
	Sources  []string     `yaml:"sources"` // names of those that it takes; none means all
	Pipeline []yaml.Node  `yaml:"pipeline"`

	Any bool `yaml:"-"` // of --url: whether it is a Remora or a Loki is found out
}

func defaults() *Config {
	return &Config{
		Listen: ":9081", LogLevel: slog.LevelInfo, DrainTimeout: 25 * time.Second, ScanInterval: 5 * time.Second,
		HoldBytes: 512 << 20, MaxOpenFiles: 512, BatchBytes: 1 << 20, BatchWait: 600 * time.Millisecond,
	}
}

// maxFile is how large a configuration may be.
const maxFile = 1 << 20

// Load reads the file at path, where path is not "", applies what wins over the
// file, in order, and checks the whole. Its error is a *Refusal, or says why the file
// could not be read.
func Load(path string, env func(string) (string, bool), over ...func(*Config) error) (*Config, error) {
	return LoadAs(path, nil, env, over...)
}

// LoadAs is Load of a file that translate, where it is not nil, makes ours first.
func LoadAs(path string, translate func(name string, text []byte) ([]byte, error), env func(string) (string, bool), over ...func(*Config) error) (*Config, error) {
	if path == "" {
		return load("", nil, env, over...)
	}
	file := FileAt(path)
	b, err := readSmall(path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if translate != nil {
		if b, err = translate(path, b); err != nil {
			return nil, err
		}
	}
	c, err := load(path, b, env, over...)
	var refusal *Refusal
	if errors.As(err, &refusal) {
		refusal.Files = append([]File{file}, refusal.Files...)
		return nil, err
	}
	c.Files = append([]File{file}, c.Files...)
	return c, nil
}

// load is Load of a file that holds b.
func load(path string, b []byte, env func(string) (string, bool), over ...func(*Config) error) (*Config, error) {
	c := defaults()
	d := &decoder{file: path, expand: newExpander(env), places: map[string]Position{}}
	if path == "" || d.document(b, c) {
		d.override(c, over)
		checker{d}.validate(c)
	}
	if len(d.errs) > 0 {
		return nil, &Refusal{Errors: d.errs.sorted(), Files: d.expand.files}
	}
	c.Files = d.expand.files
	return c, nil
}

// override applies what wins over the file; what it changes stands nowhere there.
func (d *decoder) override(c *Config, over []func(*Config) error) {
	before := *c
	for _, f := range over {
		if err := f(c); err != nil {
			d.errs = append(d.errs, &Error{Msg: err.Error()})
		}
	}
	old, now := map[string]reflect.Value{}, map[string]reflect.Value{}
	fieldsOf(reflect.ValueOf(&before).Elem(), old)
	fieldsOf(reflect.ValueOf(c).Elem(), now)
	for key, v := range now {
		if !reflect.DeepEqual(old[key].Interface(), v.Interface()) {
			maps.DeleteFunc(d.places, func(path string, _ Position) bool {
				return path == key || strings.HasPrefix(path, key+"[") || strings.HasPrefix(path, key+".")
			})
		}
	}
}

func newExpander(env func(string) (string, bool)) *expander {
	return &expander{env: env, raw: map[*yaml.Node]string{}, failed: map[*yaml.Node]bool{}}
}

// document decodes the one document of b. It is false where there is nothing to go
// on with.
func (d *decoder) document(b []byte, c *Config) bool {
	var n, more yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(b))
	if err := dec.Decode(&n); errors.Is(err, io.EOF) {
		return true // nothing but comments says nothing
	} else if err != nil {
		d.syntax(b, err)
		return false
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		d.fail(&more, "", "a second document: everything goes into one")
		return false
	}
	if at := anchored(&n); at != nil {
		d.fail(at, "", "anchors and aliases are not supported: write it out")
		return false
	}
	d.expand.node(&n, func(at *yaml.Node, msg string) { d.fail(at, "", "%s", msg) })
	d.value(n.Content[0], reflect.ValueOf(c).Elem(), "")
	return true
}

// anchored finds the first anchor or alias below n.
func anchored(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return n
	}
	for _, c := range n.Content {
		if at := anchored(c); at != nil {
			return at
		}
	}
	return nil
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?`)

// syntax tells of a file that is no YAML.
func (d *decoder) syntax(b []byte, err error) {
	m := yamlLine.FindStringSubmatch(err.Error())
	line, _ := strconv.Atoi(m[1])
	msg := "not YAML: " + err.Error()[len(m[0]):]
	lines := bytes.Split(b, []byte("\n"))
	if strings.Contains(msg, "did not find expected") {
		line++ // the library's parser counts from 0, its scanner from 1
	}
	line = min(line, len(lines))
	if line > 0 && bytes.Contains(lines[line-1], []byte("${")) {
		msg += " (between braces or brackets a value with ${…} needs quotes)"
	}
	d.errs = append(d.errs, &Error{File: d.file, Line: line, Msg: msg})
}

// Set gives a key of the file's first level, one of a single value, the value that
// text says: what a flag does.
func (c *Config) Set(key, text string) error {
	fields := map[string]reflect.Value{}
	fieldsOf(reflect.ValueOf(c).Elem(), fields)
	return setScalar(fields[key], text)
}

// Dir is the state directory of what goes from a source to an output.
func (c *Config) Dir(source, output string) string {
	if c.Plain {
		return c.State
	}
	return filepath.Join(c.State, source+"."+output)
}
