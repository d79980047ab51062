# Every task of the project. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)

# Pure Go: the binaries are static and need no C compiler.
export CGO_ENABLED := 0

WEB_SOURCES := $(shell find web -type f -not -path 'web/node_modules/*' -not -path 'web/dist/*' -not -path 'web/test-results/*' 2>/dev/null)

.PHONY: help build web demo test test-go test-web test-page truth e2e e2e-ray e2e-agent e2e-clients e2e-stores e2e-cluster cluster cluster-up cluster-down cluster-kubectl faults loki loki-diff kuberay-diff bench bench-agent bench-loki bench-operator fuzz fuzz-long lint fmt clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: web ## build bin/remora and bin/remora-agent, static, with the page inside
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ $$(go list ./cmd/... | grep -v /remora-agent$$)
	go build -trimpath -ldflags '$(LDFLAGS)' -tags nethttpomithttp2 -o bin/ ./cmd/remora-agent # half a megabyte less
	@size=$$(stat -c %s bin/remora-agent); [ $$size -le 12000000 ] || { echo "bin/remora-agent has $$size bytes, it may have 12,000,000"; exit 1; }

web: web/dist/index.html ## build the page into web/dist

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	cd web && npm ci --no-audit --no-fund
	touch $@

web/dist/index.html: web/node_modules/.package-lock.json $(WEB_SOURCES)
	cd web && npm run --silent build
	touch $@

demo: build ## replay a recorded Ray session live and open it to questions
	bin/remora up --demo

test: test-go test-web test-page ## run every test that needs no Ray

test-go: build
	go test ./...
	cd bench && go test ./...
	cd bench/operator && go test ./...
	cd test/manifests && go test ./...
	cd test/cluster && go test . ./oci
	cd test/kuberaydiff && go test .

test-web: web/node_modules/.package-lock.json
	cd web && npm test

# The page in a real browser. Without Chromium this says so; in CI that is a failure.
test-page: build
	@if command -v chromium >/dev/null || [ -n "$${CI:-}" ] || [ -n "$${CHROMIUM:-}" ]; then \
		cd web && npm run --silent test:e2e; \
	else \
		echo 'test-page: not run, as chromium is not installed (Debian: apt-get install chromium)'; \
	fi

CORPUS ?= testdata/corpus
truth: ## how many lines of the recordings (CORPUS=DIR) are attributed right
	go run ./test/truth $(CORPUS)

e2e: e2e-ray e2e-clients e2e-stores ## every long test with real programs

E2E_FLAGS ?=
e2e-ray: build ## a real Ray from PyPI, with agent and server killed on the way
	go run ./test/e2e/ray -bin bin $(E2E_FLAGS)

E2E_AGENT_FLAGS ?=
e2e-agent: CLUSTER_FLAGS += -images busybox,remora
e2e-agent: cluster-up ## deploy/agent on it: pods are deleted while they write, the DaemonSet is rolled over
	go build -o bin/e2e-agent ./test/e2e/agent
	bin/cluster exec bin/e2e-agent $(E2E_AGENT_FLAGS)

CLIENTS_FLAGS ?=
e2e-clients: build ## logcli, promtail, an OpenTelemetry collector and recorded pushes of Fluent Bit
	go run ./test/e2e/clients -bin bin $(CLIENTS_FLAGS)

# A real Kubernetes in network namespaces of this machine; needs root. See test/cluster.
NODES ?= 2
CLUSTER_FLAGS ?=
cluster:
	cd test/cluster && go build -o ../../bin/cluster .

cluster-up: build cluster ## a real Kubernetes with NODES (2) nodes on this machine; needs root, containerd, mmdebstrap and uv
	bin/cluster up -nodes $(NODES) $(CLUSTER_FLAGS)

cluster-down: cluster ## end it; CLUSTER_FLAGS=-purge forgets what was in it
	bin/cluster down $(CLUSTER_FLAGS)

ARGS ?= get pods -A -o wide
cluster-kubectl: cluster ## kubectl for it: ARGS='get pods -A'
	@bin/cluster kubectl $(ARGS)

E2E_CLUSTER_FLAGS ?=
e2e-cluster: CLUSTER_FLAGS += -images ray,busybox,remora,kuberay
e2e-cluster: cluster-up ## RayClusters on it, with what ends them, and every marked line asked for
	go build -o bin/e2e-cluster ./test/e2e/cluster
	bin/cluster exec bin/e2e-cluster $(E2E_CLUSTER_FLAGS)

STORES_FLAGS ?=
e2e-stores: build ## the same questions to each kind of store: inside, VictoriaLogs, a cluster of it, Loki; STORES_FLAGS='-run cluster -v'
	go run ./test/e2e/stores -bin bin $(STORES_FLAGS)

N ?= 60
SEED ?= 1
FAULTS_FLAGS ?=
faults: build bin/remora-agent-clockstep ## N faults of the processes, the network and the disks, chosen by SEED; FAULTS_FLAGS='-target loki' after make loki
	go run ./test/faults -bin bin -n $(N) -seed $(SEED) $(FAULTS_FLAGS)

# The agent with a clock that can be stepped, for tests alone.
.PHONY: bin/remora-agent-clockstep
bin/remora-agent-clockstep:
	go build -trimpath -tags clockstep -o $@ ./cmd/remora-agent

LOKI_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/remora
loki: ## build Loki 3.7.8, a program to test against, into the cache; takes long
	cd test/loki && nice go build -trimpath -ldflags '-s -w' -o $(LOKI_CACHE)/loki-3.7.8 github.com/grafana/loki/v3/cmd/loki

$(LOKI_CACHE)/loki-3.7.8:
	$(MAKE) loki

DIFF_FLAGS ?=
loki-diff: build $(LOKI_CACHE)/loki-3.7.8 ## ask Loki 3.7.8 and Remora the same questions; DIFF_FLAGS='-seed 2 -n 5000 -run REGEXP'
	go run ./test/lokidiff -bin bin $(DIFF_FLAGS)

KUBERAY_DIFF_FLAGS ?=
kuberay-diff: ## give KubeRay 1.6.0 and remora-operator the same RayClusters and compare what they make; KUBERAY_DIFF_FLAGS='-run REGEXP -dump DIR'
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/remora-operator ./cmd/remora-operator
	cd test/kuberaydiff && go build -o ../../bin/kuberaydiff . && ../../bin/kuberaydiff $(KUBERAY_DIFF_FLAGS)

BENCH_FLAGS ?=
bench: build ## CPU, memory, disk and query times on 1 GiB, beside a floor program
	cd bench && go run . -bin ../bin $(BENCH_FLAGS)

bench-agent: build ## the agent beside promtail, an OpenTelemetry collector and the floor program
	cd bench && go run . agent -bin ../bin $(BENCH_FLAGS)

bench-loki: build $(LOKI_CACHE)/loki-3.7.8 ## the server beside Loki 3.7.8: the same bodies, the same questions
	cd bench && go run . loki -bin ../bin -loki $(LOKI_CACHE)/loki-3.7.8 $(BENCH_FLAGS)

# KubeRay's operator, to compare with, by the dependencies that its own go.mod names. Its
# source is copied out of Go's cache, where it may not be built.
KUBERAY := github.com/ray-project/kuberay/ray-operator@v1.6.0
KUBERAY_SOURCE = $(shell go env GOMODCACHE)/$(KUBERAY)
$(LOKI_CACHE)/kuberay-1.6.0:
	cd / && go mod download $(KUBERAY)
	copy=$$(mktemp -d); trap 'chmod -R u+w '$$copy'; rm -rf '$$copy EXIT; cp -r $(KUBERAY_SOURCE)/. $$copy && chmod -R u+w $$copy && \
		cd $$copy && GOWORK=off nice go build -trimpath -ldflags '-s -w' -o $@ .

bench-operator: build $(LOKI_CACHE)/kuberay-1.6.0 ## the operator beside KubeRay 1.6.0 on one API server; BENCH_FLAGS='-clusters 20 -others 0'
	cd / && go mod download $(KUBERAY) # for its definitions
	cd bench/operator && go run . -operator ../../bin/remora-operator -kuberay $(LOKI_CACHE)/kuberay-1.6.0 -kuberay-crds $(KUBERAY_SOURCE)/config/crd/bases $(BENCH_FLAGS)

# Every target of every module; one that finds something does not keep the others
# from running. FUZZ chooses by name.
FUZZ ?= .
FUZZFLAGS ?= -fuzzminimizetime=2s
FUZZTIME ?= 2m
fuzz: ## each fuzz target for FUZZTIME (2m); FUZZ=REGEXP chooses, FUZZFLAGS=-parallel=1
	@found=0; for module in . bench; do cd $(CURDIR)/$$module; \
		while read -r pkg dir; do \
			for f in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$$dir"/*_test.go 2>/dev/null | cut -d' ' -f2); do \
				[[ "$$pkg.$$f" =~ $(FUZZ) ]] || continue; \
				echo "$$(date +%T) $$pkg $$f"; \
				go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $(FUZZFLAGS) "$$pkg" || found=1; \
			done; \
		done < <(go list -f '{{.ImportPath}} {{.Dir}}' ./...); \
	done; [ $$found = 0 ] || { echo 'fuzz: something was found: see above, and testdata/fuzz'; exit 1; }

fuzz-long: ## each fuzz target for ten minutes
	$(MAKE) fuzz FUZZTIME=10m

lint: web/node_modules/.package-lock.json ## gofumpt, vet, staticcheck, module tidiness, the page's types and rules
	@out="$$(go tool gofumpt -l $$(git ls-files '*.go'))"; if [ -n "$$out" ]; then echo "not formatted (make fmt):"; echo "$$out"; exit 1; fi
	go vet ./...
	cd bench && go vet ./...
	cd bench/operator && go vet ./...
	cd test/manifests && go vet ./...
	cd test/cluster && go vet . ./oci ./pause
	cd test/kuberaydiff && go vet .
	go tool staticcheck ./...
	go mod tidy -diff
	cd bench && go mod tidy -diff
	cd bench/operator && go mod tidy -diff
	cd test/manifests && go mod tidy -diff
	cd test/cluster && go mod tidy -diff
	cd test/kuberaydiff && go mod tidy -diff
	cd test/victorialogs && go mod tidy -diff
	cd web && npm run --silent lint

fmt: ## format the Go code
	go tool gofumpt -w $$(git ls-files '*.go')

clean: ## remove what was built
	rm -rf bin web/node_modules web/test-results
	find web/dist -mindepth 1 -not -name placeholder.txt -delete
