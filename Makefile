# "make help" lists the targets. On a fresh machine with Go, "make demo" runs; "make test" runs every test.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X github.com/authd/authd/sdk.version=$(VERSION)
# authd runs no plugin that others could have written to, whatever the umask of who builds it.
BUILD   := umask 022 && CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)'
TOOL    := $(GO) tool -modfile=tools/go.mod

PLUGINS  := $(patsubst plugins/%/main.go,bin/plugins/authd-provider-%,$(wildcard plugins/*/main.go))
PROTOGEN := cd tools && $(GO) run ./protogen -proto ../sdk/proto

TESTFLAGS ?= -timeout 20m
FUZZTIME  ?= 30s
BENCHTIME ?= 1s
CHAOS     ?= .

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

## ---- build ----

.PHONY: build
build: bin/authd plugins ## Build bin/authd and all plugins

.PHONY: plugins
plugins: $(PLUGINS) ## Build bin/plugins/authd-provider-* only

bin/authd: FORCE
	$(BUILD) -o $@ ./cmd/authd

bin/plugins/authd-provider-%: FORCE
	$(BUILD) -o $@ ./plugins/$*

.PHONY: demo
demo: build ## Run authd on loopback with made-up users: no account anywhere is needed
	./bin/authd demo

## ---- test ----

.PHONY: deps
deps: ## Install the real software that tests run (nginx, Chromium, Keycloak, npm's oidc-provider)
	scripts/deps

.PHONY: test
test: deps build ## Run all tests, with the race detector
	$(GO) test -race $(TESTFLAGS) ./...
	@if [ -n "$${AUTHD_E2E_APPS-}" ]; then $(MAKE) --no-print-directory e2e-apps; \
		else echo 'not run: make e2e-apps (Streamlit, Panel and Chainlit in a browser; AUTHD_E2E_APPS=1 adds it)'; fi

.PHONY: race
race: test ## The same as test: tests always run with the race detector

.PHONY: e2e
e2e: deps build ## Run the end-to-end tests only
	$(GO) test -race -count=1 $(TESTFLAGS) ./test/e2e/...

.PHONY: e2e-apps
e2e-apps: deps ## Open Streamlit, Panel and Chainlit behind nginx and Caddy (fetches them once: 1 GB on disk)
	scripts/venv examples/{streamlit,panel,chainlit}/requirements.txt
	$(GO) vet -tags apps ./test/apps
	$(GO) test -race -count=1 -tags apps $(TESTFLAGS) ./test/apps

.PHONY: bench
bench: build ## Run the benchmarks (BENCHTIME=1s)
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./internal/host ./test/bench

.PHONY: chaos
chaos: ## Break what authd depends on, for an hour, and print what was seen (CHAOS=TestName for one fault)
	AUTHD_CHAOS=1 $(GO) test -v -count=1 -timeout 3h -run '$(CHAOS)' ./test/chaos
	AUTHD_CHAOS=1 $(GO) test -count=1 -timeout 30m -run TestRestartsLeaveNothing ./internal/catalog

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (30s)
	GO='$(GO)' scripts/fuzz $(FUZZTIME)

## ---- packages ----

DIST      ?= bin/dist
PACKAGING := GO='$(GO)' VERSION='$(VERSION)' LDFLAGS='$(LDFLAGS)' packaging/build

.PHONY: package
package: deb tarball ## Make all packages in DIST (bin/dist), for GOARCH

.PHONY: deb
deb: ## Make the Debian package: authd, the plugins and the systemd units
	$(PACKAGING) deb '$(DIST)'

.PHONY: tarball
tarball: ## Make the archive for other systems
	$(PACKAGING) tarball '$(DIST)'

## ---- order in the house ----

.PHONY: lint
lint: lint-format lint-arch lint-proto lint-vet lint-static lint-docs ## Format, layers and budgets, vet, staticcheck, drift of what is generated

.PHONY: lint-format
lint-format:
	@files=$$($(TOOL) gofumpt -l .); if [ -n "$$files" ]; then \
		printf 'not formatted; run "make fmt":\n%s\n' "$$files" >&2; exit 1; fi

.PHONY: lint-arch
lint-arch:
	$(GO) test -count=1 ./internal/archtest

.PHONY: lint-proto
lint-proto:
	cd tools && $(GO) vet ./... && $(GO) test ./...
	$(PROTOGEN) -check

.PHONY: lint-vet
lint-vet:
	$(GO) vet ./...

.PHONY: lint-static
lint-static:
	$(TOOL) staticcheck ./...

.PHONY: lint-docs
lint-docs:
	scripts/drift '$(MAKE) docs' $(MAKE) --no-print-directory docs

.PHONY: fmt
fmt: ## Format the Go code
	$(TOOL) gofumpt -w .

.PHONY: vuln
vuln: ## Look for known vulnerabilities in what we call
	scripts/vuln $(TOOL) govulncheck ./...

.PHONY: check
check: proto docs lint ## Regenerate everything and fail if anything in git changed
	git diff --exit-code

## ---- what is generated ----

.PHONY: proto
proto: ## Generate the Go code of sdk/proto
	$(PROTOGEN)

.PHONY: proto-freeze
proto-freeze: ## At a release: remember the contract that later ones must stay compatible with
	$(PROTOGEN) -freeze

.PHONY: docs
docs: ## Generate the documentation that is made from code
	$(GO) generate ./...

.PHONY: changelog
changelog: ## At a release: gather changelog/unreleased into CHANGELOG.md (RELEASE=v1.2.3)
	scripts/changelog '$(RELEASE)'

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin test/e2e/artifacts

FORCE:
