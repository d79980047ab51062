package ray

import "strings"

// serveFile reads the names of Serve's files below serve/:
//
//	controller_<pid>
//	proxy_<node ip>, http_proxy_<node ip>
//	replica_<app>_<deployment>_<replica>
//	deployment_<deployment>_<app>#<deployment>#<replica>, replica_<deployment>_<…>#<…>#<…> (until 2.8)
//	deployment_<deployment>_<deployment>#<replica> (Serve 1, no applications)
//
// Application and deployment may hold "_" themselves; where that leaves open
// which is which, both stay unknown.
func serveFile(f *File, stem string) {
	if rest, ok := strings.CutPrefix(stem, "controller_"); ok {
		f.PID, _ = number(rest)
		return
	}
	for _, prefix := range []string{"proxy_", "http_proxy_"} {
		if rest, ok := strings.CutPrefix(stem, prefix); ok {
			f.NodeIP = rest
			return
		}
	}
	for _, prefix := range []string{"replica_", "deployment_"} {
		if rest, ok := strings.CutPrefix(stem, prefix); ok {
			replicaFile(f, rest)
			return
		}
	}
}

func replicaFile(f *File, rest string) {
	switch parts := strings.Split(rest, "#"); len(parts) {
	case 3: // <app>_<deployment>_<app>#<deployment>#<replica>
		f.Deployment, f.Replica = parts[1], parts[2]
		if n := len(parts[0]) - len(parts[1]) - 2; n > 0 && n%2 == 0 {
			app := parts[0][:n/2]
			if parts[0] == app+"_"+parts[1]+"_"+app {
				f.Application = app
			}
		}
	case 2: // <deployment>_<deployment>#<replica>
		f.Replica = parts[1]
		if n := len(parts[0]) - 1; n > 0 && n%2 == 0 && parts[0][:n/2] == parts[0][n/2+1:] {
			f.Deployment = parts[0][:n/2]
		}
	case 1:
		i := strings.LastIndexByte(rest, '_')
		if i < 0 {
			return
		}
		f.Replica = rest[i+1:]
		f.Application, f.Deployment = splitDeployment(rest[:i])
	}
}

// splitDeployment splits <app>_<deployment> where there is one way to do it.
func splitDeployment(s string) (app, deployment string) {
	app, deployment, ok := strings.Cut(s, "_")
	if !ok || app == "" || deployment == "" || strings.Contains(deployment, "_") {
		return "", ""
	}
	return app, deployment
}
