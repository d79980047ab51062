package ray

import (
	"path"
	"strconv"
	"strings"
)

// ParsePath tells what the path of a file below a session's logs/ says: its kind
// and the ids in its name. rel has slashes and no leading one; a path that no
// rule knows gives ComponentOther, never an error.
func ParsePath(rel string) File {
	f := File{Path: rel, Component: ComponentOther, Output: "log"}
	p := strings.TrimPrefix(path.Clean("/"+rel), "/")
	p = strings.TrimPrefix(p, "old/") // the log monitor moves dead workers' files there
	p, f.Rotation = cutRotation(p)
	f.Stream = p

	dir, base := path.Split(p)
	dir = strings.TrimSuffix(dir, "/")
	stem, ext := cutExtension(base)
	switch ext {
	case ".out", ".err", ".log":
		f.Output = ext[1:]
	}
	f.Skip = skipReason(dir, base, ext)
	top, _, _ := strings.Cut(dir, "/")
	switch top {
	case "":
		topLevel(&f, stem, ext)
	case "serve":
		f.Component, f.Format = ComponentServe, FormatServe
		serveFile(&f, stem)
	case "events":
		f.Component, f.Format = ComponentEvent, FormatEvent
		eventFile(&f, dir, stem, ext)
	case "export_events":
		f.Component, f.Format = ComponentExportEvent, FormatExport
		eventFile(&f, dir, stem, ext)
	case "jobs":
		if sid, ok := strings.CutPrefix(stem, "supervisor-"); ok {
			f.Component, f.Format, f.SubmissionID = ComponentJobSupervisor, FormatPython, sid
		}
	case "ray-data":
		f.Component, f.Format = ComponentData, FormatPython
	case "train":
		f.Component, f.Format = ComponentTrain, FormatPython
	case "tpu_logs":
		f.Known = true // libtpu's own; there is no component for it
	}
	f.Known = f.Known || f.Component != ComponentOther || f.Skip != ""
	return f
}

// topLevel reads the name of a file directly in logs/.
func topLevel(f *File, stem, ext string) {
	switch stem {
	case "debug_state":
		f.Component = ComponentRaylet
	case "debug_state_gcs":
		f.Component = ComponentGCS
	}
	if f.Output != strings.TrimPrefix(ext, ".") { // .json, .txt, none: no kind of Ray's
		return
	}
	switch {
	case coreFile(f, stem, ext), workerFile(f, stem):
	case strings.HasPrefix(stem, "job-driver-"):
		f.Component, f.Format, f.SubmissionID = ComponentJob, FormatDriver, stem[len("job-driver-"):]
	case strings.HasPrefix(stem, "runtime_env_setup-"):
		f.Component, f.Format = ComponentRuntimeEnv, FormatPython
		f.JobID = job(stem[len("runtime_env_setup-"):])
	default:
		plainFile(f, stem)
	}
}

// plainFile reads names such as raylet, raylet.1, dashboard_JobHead,
// ray_client_server_23000 and agent-424238335.
func plainFile(f *File, stem string) {
	if k, ok := plainKind(stem); ok {
		f.Component, f.Format, f.Known = k.component, k.format, true
		return
	}
	i := strings.LastIndexByte(stem, '.')
	if i < 0 {
		return
	}
	n, ok := number(stem[i+1:])
	k, known := plainKind(stem[:i])
	if ok && known {
		f.Component, f.Format, f.Incarnation, f.Known = k.component, k.format, n, true
	}
}

func plainKind(stem string) (kind, bool) {
	if k, ok := plainKinds[stem]; ok {
		return k, true
	}
	switch {
	case strings.HasPrefix(stem, "dashboard_") && isWord(stem[len("dashboard_"):]):
		return kind{ComponentDashboard, FormatPython}, true
	case strings.HasPrefix(stem, "ray_client_server_") && isDigits(stem[len("ray_client_server_"):]):
		return kind{ComponentClient, FormatPython}, true
	case strings.HasPrefix(stem, "agent-") && isDigits(stem[len("agent-"):]): // 2.9; the number is no pid
		return kind{ComponentDashboardAgent, FormatPython}, true
	case strings.HasPrefix(stem, "redis-shard_") && isDigits(stem[len("redis-shard_"):]):
		return plainKinds["redis-shard"], true
	}
	return kind{}, false
}

// coreFile reads <language>-core-<role>-<worker id>_<pid>. The C++ core of Ray
// 2.9 rotates to …_<pid>.1.log, which later versions use for nothing.
func coreFile(f *File, stem, ext string) bool {
	language, rest, ok := strings.Cut(stem, "-core-")
	if !ok || !isWord(language) {
		return false
	}
	role, rest, ok := strings.Cut(rest, "-")
	if !ok || !isWord(role) {
		return false
	}
	wid, rest, ok := strings.Cut(rest, "_")
	if !ok || len(wid) != workerIDLen || !isHex(wid) {
		return false
	}
	pid, rotation, rotated := strings.Cut(rest, ".")
	n, ok := number(pid)
	if !ok {
		return false
	}
	if rotated {
		if f.Rotation != 0 {
			return false
		}
		if f.Rotation, ok = number(rotation); !ok {
			f.Rotation = 0
			return false
		}
		f.Stream = strings.TrimSuffix(f.Stream, "."+rotation+ext) + ext
	}
	f.Component, f.Format = ComponentCoreWorker, FormatCPP
	f.WorkerID, f.PID = wid, n
	if role == "driver" {
		f.Component = ComponentCoreDriver
		f.JobID = JobOfDriver(wid)
	}
	return true
}

// workerFile reads worker-<worker id>-<job>-<pid>, worker-<worker id>-<pid>,
// io_worker-<worker id>-<pid> and java-worker-<job>-<pid>.
func workerFile(f *File, stem string) bool {
	i := strings.Index(stem, "worker-")
	if i < 0 || strings.Trim(stem[:i], "abcdefghijklmnopqrstuvwxyz_-") != "" {
		return false
	}
	parts := strings.Split(stem[i+len("worker-"):], "-")
	pid, ok := number(parts[len(parts)-1])
	if !ok {
		return false
	}
	ids := parts[:len(parts)-1]
	var wid, jid string
	switch {
	case len(ids) == 2 && isID(ids[0], workerIDLen) && isID(ids[1], jobIDLen):
		wid, jid = ids[0], job(ids[1])
	case len(ids) == 1 && isID(ids[0], workerIDLen):
		wid = ids[0]
	case len(ids) == 1 && isID(ids[0], jobIDLen):
		jid = job(ids[0])
	default:
		return false
	}
	f.Component, f.Format = ComponentWorker, FormatWorker
	f.WorkerID, f.JobID, f.PID = wid, jid, pid
	return true
}

// eventFile reads event_<SOURCE>[_<pid>]. The C++ side of Ray rotates these to
// event_<SOURCE>.1.log, the Python side to .log.1; none is opened anew at a restart.
func eventFile(f *File, dir, stem, ext string) {
	if i := strings.LastIndexByte(stem, '.'); i > 0 && f.Rotation == 0 && ext == ".log" {
		if n, ok := number(stem[i+1:]); ok {
			f.Rotation, stem = n, stem[:i]
			f.Stream = dir + "/" + stem + ext
		}
	}
	if i := strings.LastIndexByte(stem, '_'); i > 0 {
		if pid, ok := number(stem[i+1:]); ok {
			f.PID = pid
		}
	}
}

// skipReason tells why a file holds no lines to follow.
func skipReason(dir, base, ext string) string {
	for d := dir; d != ""; {
		var first string
		first, d, _ = strings.Cut(d, "/")
		if why := skippedDirs[first]; why != "" {
			return why
		}
	}
	if strings.HasPrefix(base, "debug_state") && ext == ".txt" {
		return "snapshot" // overwritten in place every 10 s
	}
	return skippedExtensions[ext]
}

// cutRotation takes the number after the extension off: raylet.out.2 → raylet.out, 2.
func cutRotation(p string) (string, int) {
	i := strings.LastIndexByte(p, '.')
	if i < 0 {
		return p, 0
	}
	n, ok := number(p[i+1:])
	if !ok {
		return p, 0
	}
	switch path.Ext(p[:i]) {
	case ".out", ".err", ".log":
		return p[:i], n
	}
	return p, 0
}

// cutExtension is path.Ext, but an id with a dot in it is no extension.
func cutExtension(base string) (stem, ext string) {
	ext = path.Ext(base)
	return strings.TrimSuffix(base, ext), ext
}

func isID(s string, n int) bool { return len(s) == n && isHex(s) }

// number reads a positive decimal number without leading zeros.
func number(s string) (int, bool) {
	if !isDigits(s) || s[0] == '0' || len(s) > 9 {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

func isWord(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return s != ""
}
