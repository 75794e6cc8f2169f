# Every target below needs Go; where one needs more, its line says so.
GO ?= go
BIN := bin/registry
# What `registry version` says: of the last tag, the commit and the commit's date, from git.
# Outside a checkout: make build VERSION=v1.2.3 COMMIT=… DATE=….
VERSION ?= $(shell git describe --tags --dirty 2>/dev/null)
COMMIT ?= $(shell git describe --always --exclude='*' --abbrev=40 --dirty 2>/dev/null)
DATE ?= $(shell TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null)
STAMP := github.com/distribution-ipfs/distribution-ipfs/driver/internal/build
CHANGIE := $(GO) tool -modfile=tools/go.mod changie

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: build
build: ## build bin/registry
	$(GO) build -trimpath -buildvcs=false -o $(BIN) \
		-ldflags '-X $(STAMP).version=$(VERSION) -X $(STAMP).commit=$(COMMIT) -X $(STAMP).date=$(DATE)' ./cmd/registry

.PHONY: man
man: build ## write man pages of the commands, man/registry-*.1
	mkdir -p man
	$(BIN) man man

.PHONY: reproducible
reproducible: ## check that two builds of the last commit are the same, and name it
	testdata/reproducible.sh

.PHONY: demo
demo: build ## two registries on this machine: push to the first, pull from the second
	$(GO) run ./cmd/demo -registry $(BIN)

.PHONY: run
run: build ## one registry with config.example.yml on 127.0.0.1:5000
	$(BIN) serve config.example.yml

.PHONY: test
test: ## the tests, with the race detector: on Linux it needs a C compiler (cgo); PARALLEL=4: so many of a package at once, PACKAGES=4: so many packages at once
	$(GO) test -race -short -vet=off -ldflags='-s -w' -timeout 45m $(if $(PARALLEL),-parallel $(PARALLEL)) $(if $(PACKAGES),-p $(PACKAGES)) ./...

.PHONY: test-long
test-long: ## the tests, also the ones that take long or 5 GiB of disk
	$(GO) test -timeout 60m ./...

.PHONY: test-clocks
test-clocks: ## members whose clocks are off by years; builds all of the registry once more, some minutes the first time
	$(GO) test -run TestClocks -count=1 -timeout 45m ./cmd/registry

FUZZTIME ?= 10s
.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (10s; 1000x: so many times), as many at once as there are processors
	testdata/fuzz.sh $(FUZZTIME)

.PHONY: vuln
vuln: ## look for known vulnerabilities in what is called; needs https://vuln.go.dev, or VULNDB=file:///a/copy
	@$(GO) run golang.org/x/vuln/cmd/govulncheck@v1.9.0 $(if $(VULNDB),-db $(VULNDB)) ./... || { s=$$?; \
		echo "govulncheck: found something, or could not read $(or $(VULNDB),https://vuln.go.dev); VULNDB=file:///a/copy names another database" >&2; exit $$s; }

.PHONY: lint
lint: ## formatting, vet, the changelog, the workflows, and the walls in .golangci.yml; builds golangci-lint, some minutes the first time
	@test -z "$$(gofmt -l . | tee /dev/stderr)"
	$(GO) vet ./...
	$(CHANGIE) batch --dry-run minor >/dev/null
	$(CHANGIE) merge --dry-run | diff CHANGELOG.md -
	$(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run ./...
	for dir in tools/release tools/site tools/chart; do \
		(cd $$dir && $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run --config ../../.golangci.yml ./...) || exit; done
	$(GO) run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12 -shellcheck= -pyflakes= .github/workflows/*.yml

.PHONY: changelog
changelog: ## show what the next release changes, from changelog/unreleased
	@$(CHANGIE) batch --dry-run minor

.PHONY: changes
changes: ## move changelog/unreleased into CHANGELOG.md, as VERSION=v1.2.3: the commit that is then tagged
	@test "$(origin VERSION)" = "command line" || { echo "usage: make changes VERSION=v1.2.3" >&2; exit 2; }
	$(CHANGIE) batch $(VERSION)
	$(CHANGIE) merge

.PHONY: site
site: ## make the documentation's site from README.md and docs/, in dist/site; builds Hugo, some minutes the first time
	cd tools/site && export GOFLAGS=-trimpath CGO_ENABLED=0 && \
		$(GO) tool hugo --quiet --panicOnWarning --cleanDestinationDir --destination $(CURDIR)/dist/site && \
		$(GO) test ./check && $(GO) run ./check $(CURDIR)/dist/site
	@echo "dist/site/index.html"

.PHONY: release
release: ## build all that is released of the last commit, as VERSION=v1.2.3, into dist/; some minutes a platform, TARGETS=linux/amd64 for some
	@test "$(origin VERSION)" = "command line" || { echo "usage: make release VERSION=v1.2.3" >&2; exit 2; }
	cd tools/release && $(GO) run . -root $(CURDIR) -out $(CURDIR)/dist -version $(VERSION) $(if $(TARGETS),-targets $(TARGETS))

.PHONY: image
image: ## make the image of what `make release VERSION=v1.2.3` built, without docker, in dist/image/; PUSH=ghcr.io/me/registry pushes it
	@test "$(origin VERSION)" = "command line" || { echo "usage: make image VERSION=v1.2.3" >&2; exit 2; }
	$(GO) run ./deploy/image -version $(VERSION) -commit $(COMMIT) -date $(DATE) $(if $(PUSH),-push $(PUSH))

.PHONY: reproducible-release
reproducible-release: ## check that two releases of the last commit are the same, for this machine's platform
	testdata/reproducible-release.sh

.PHONY: test-release
test-release: ## the tests of what makes a release, with lint of its packages; needs git, and dpkg, rpm, lintian and systemd for all of it
	cd tools/release && $(GO) vet ./... && $(GO) test ./...

.PHONY: test-deploy
test-deploy: build test-kubernetes test-filesystems ## packages in a Debian that boots, the README's commands on two, the image in docker and podman, deploy/compose, deploy/helm in a Kubernetes, pulls while a mirror is down: half an hour; needs Debian, root, debootstrap, systemd-container, docker-compose 1.29, `make deps`
	testdata/deploy/packages.sh
	testdata/deploy/image.sh
	testdata/deploy/compose.sh
	testdata/clients/down.sh $(BIN)

.PHONY: test-filesystems
test-filesystems: build ## import, export and backup on ext4, xfs and btrfs behind loop devices: what shares bytes; a minute; needs Linux, root, xfsprogs, btrfs-progs, skopeo, jq and curl
	cd testdata/clients && $(GO) build -trimpath -o $(CURDIR)/bin/crane github.com/google/go-containerregistry/cmd/crane
	testdata/deploy/filesystems.sh $(BIN) bin/crane

.PHONY: chart
chart: ## check deploy/helm: lint, and all that helm renders of it against the types of Kubernetes' API; VERSION=v1.2.3 packs it into dist/chart
	cd tools/chart && export CGO_ENABLED=0 && $(GO) vet ./... && $(GO) test -count=1 ./...
	@test "$(origin VERSION)" != "command line" || { mkdir -p dist/chart && cd tools/chart && \
		CGO_ENABLED=0 $(GO) tool helm package ../../deploy/helm --version $(VERSION:v%=%) --app-version $(VERSION) --destination ../../dist/chart 2>/dev/null; }

.PHONY: test-docs
test-docs: build ## run the commands on the pages, in namespaces of their own; needs Linux, root, podman, skopeo, nginx and curl, and haproxy for all of it
	cd testdata/clients && $(GO) build -trimpath -o $(CURDIR)/bin/crane github.com/google/go-containerregistry/cmd/crane
	$(GO) test -count=1 -parallel 3 ./docs -registry $(BIN) -crane bin/crane

# Where Kubernetes, helm and CoreDNS are kept once they are built: 200 MB.
KUBERNETES ?= $(HOME)/.cache/distribution-ipfs/kubernetes
.PHONY: test-kubernetes
test-kubernetes: ## install deploy/helm in a Kubernetes of its own, and use it; needs Debian, root, containerd, runc, containernetworking-plugins, skopeo, jq; the first time a quarter of an hour to build
	testdata/kubernetes/run.sh $(KUBERNETES)

.PHONY: deps
deps: ## Debian packages for test-clients, test-page and test-metrics; needs root
	testdata/clients/deps.sh

.PHONY: test-clients
test-clients: build ## push and pull with real clients, and look for five ills; needs Debian, root, npm and `make deps`
	testdata/clients/run.sh $(BIN)
	testdata/clients/balanced.sh $(BIN)
	testdata/clients/ills.sh $(BIN)

.PHONY: test-page
test-page: build ## open the page of three registries in a browser; needs Linux, root, npm and `make deps`
	testdata/page/run.sh $(BIN)

.PHONY: screenshots
screenshots: build ## make docs/images anew, in the course of the same
	SCREENSHOTS=docs/images testdata/page/run.sh $(BIN)
	SCREENSHOTS=docs/images testdata/clients/ills.sh $(BIN)

.PHONY: test-metrics
test-metrics: build ## alerts in promtool, and they and the dashboard in a Prometheus that scrapes three registries; needs Debian, and `make deps`
	testdata/metrics/run.sh $(BIN)

.PHONY: test-kubo
test-kubo: build ## compare CIDs and fetch with a real Kubo, built if IPFS=<binary> is not given; needs curl
	testdata/kubo/run.sh $(BIN) $(IPFS)

.PHONY: test-disk
test-disk: build ## kill a registry and fill its disk, 100 rounds on a tmpfs and 100 on an ext4 image; needs Linux, root, 2 GB and half an hour; BADDAY="-rounds 0 -for 2h" for a longer one
	$(GO) build -o bin/badday ./cmd/badday
	bin/badday -registry $(BIN) $(BADDAY)

.PHONY: faults
faults: build ## five registries, clients, and what happens to machines, for an hour; Linux, root and iproute2 for all of it; FAULTS="-for 10m -seed 7" for another run
	$(GO) build -o bin/faults ./cmd/faults
	bin/faults -registry $(BIN) $(FAULTS)

.PHONY: attack
attack: build ## three registries, clients, and everybody who attacks them, for ten minutes; Linux; ATTACK="-for 1m -only greetings" for another run
	$(GO) build -o bin/attack ./cmd/attack
	bin/attack -registry $(BIN) $(ATTACK)

.PHONY: upgrade-test
upgrade-test: build ## mix an earlier release with this tree, one by one up and down, some ten minutes; FROM=<commit> for another than the newest tag, UPGRADE="-history 0" for a short one
	$(GO) build -o bin/upgrade ./cmd/upgrade
	testdata/upgrade.sh $(BIN) bin/upgrade "$(FROM)" $(UPGRADE)

.PHONY: simulate
simulate: ## play swarms of 10, 50, 200 and 1,000 registries without a network, and print what a member costs: three minutes, 1.1 GiB of memory
	$(GO) test -count=1 -timeout 60m -v ./driver/internal/simulate

.PHONY: test-nat
test-nat: build ## two sites behind NATs, through both or by way of registries with links of 100 Mbit/s; Linux, root, iproute2 and iptables; NAT="-size 256 -link 1000" for other figures
	$(GO) test ./cmd/faults/internal/nat -count=1 -v -timeout 20m -args -registry $(abspath $(BIN)) $(NAT)

.PHONY: bench
bench: build ## measure all targets, into docs/benchmarks.md; half an hour and 60 GB of disk, root and iproute2 for those with a network
	$(GO) build -o bin/bench ./cmd/bench
	bin/bench -registry $(BIN) -out docs/benchmarks.md
	$(GO) test -run '^$$' -bench Heartbeats ./driver/internal/peer

.PHONY: conformance
conformance: build ## OCI conformance beside the filesystem driver; needs python3 and curl, and git if DISTRIBUTION_SPEC=<checkout> is not given
	testdata/conformance/run.sh $(BIN) $(DISTRIBUTION_SPEC)
