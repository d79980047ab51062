package ray

// kind is what all files of one name have in common.
type kind struct {
	component Component
	format    Format
}

// plainKinds are files at the top of logs/ that are named for their component
// alone: <name>.log, .out or .err, with .<incarnation> before the extension after
// a restart in the same directory.
var plainKinds = map[string]kind{
	"gcs_server":        {ComponentGCS, FormatCPP},
	"raylet":            {ComponentRaylet, FormatCPP},
	"monitor":           {ComponentAutoscaler, FormatPython},
	"log_monitor":       {ComponentLogMonitor, FormatPython},
	"dashboard":         {ComponentDashboard, FormatPython},
	"dashboard_agent":   {ComponentDashboardAgent, FormatPython},
	"runtime_env_agent": {ComponentRuntimeEnv, FormatPython},
	"ray_client_server": {ComponentClient, FormatPython},
	"ray_process_exit":  {ComponentExit, FormatPython},
	"ray-data":          {ComponentData, FormatPython}, // before logs/ray-data/
	"ray_data":          {ComponentData, FormatPython},
	// Ray 1.
	"reporter":     {ComponentDashboardAgent, FormatPython},
	"http_server":  {ComponentServe, FormatPython},
	"plasma_store": {ComponentRaylet, FormatCPP},
	"redis":        {ComponentOther, FormatRaw},
	"redis-shard":  {ComponentOther, FormatRaw},
}

// skippedDirs hold what profilers write, and skippedExtensions what no line
// reader should touch.
var skippedDirs = map[string]string{
	"nsight":      "binary",
	"profile":     "binary",
	"profiles":    "binary",
	"rocprof_sys": "binary",
	"jax":         "binary",
}

var skippedExtensions = map[string]string{
	".bin":      "binary",
	".prof":     "binary",
	".pb":       "binary",
	".nsys-rep": "binary",
	".qdrep":    "binary",
	".sqlite":   "binary",
	".html":     "binary",
	".svg":      "binary",
	".png":      "binary",
	".trace":    "binary",
	".pt":       "binary",
	".pkl":      "binary",
	".gz":       "compressed",
	".zst":      "compressed",
	".xz":       "compressed",
	".bz2":      "compressed",
	".zip":      "compressed",
	".lock":     "lock",
	".sock":     "socket",
	".pid":      "lock",
}
