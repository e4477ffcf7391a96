# Thin on purpose: every target is a line or two that could be typed by hand.
# Needed: Go (the version in go.mod), git, make, gcc (for the race detector). Nothing else.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

# Tools are pinned, each in a module file of its own, and built on first use.
tool = go tool -modfile=tools/$(1).mod
GOFUMPT := $(call tool,gofumpt) gofumpt
GOLANGCI := $(call tool,golangci) golangci-lint
GOTESTSUM := $(call tool,gotestsum) gotestsum
SQLC := CGO_ENABLED=0 $(call tool,sqlc) sqlc
WORKFLOWCHECK := $(call tool,workflowcheck) workflowcheck

# What may be changed on the command line: make test PKG=./db/... TESTFLAGS='-run TestStore -v'
PKG ?= ./...
TESTFLAGS ?=
# A number of inputs, not a time: the end of a time limit can fall into an input and fail the run.
FUZZTIME ?= 10000x
BENCHFLAGS ?=
CHAOSFLAGS ?=

# Not what is generated: gofumpt formats every file that is named to it.
GO_FILES = $(shell find . \( -name node_modules -o -path './.?*' -o -path ./db/internal \) -prune -o -name '*.go' -print)

##@ Run

.PHONY: demo
demo: build ## Bring everything up, run a campaign, show it (Ctrl-C ends; DEMO_EXIT=1 leaves by itself)
	@exec bin/xencrm demo

.PHONY: build
build: ## Build bin/xencrm
	@go build -o bin/xencrm ./cmd/xencrm

.PHONY: bench
bench: ## Measure the engine against the ceilings of this machine: most of an hour
	@go build -o bin/bench ./test/bench
	@exec bin/bench $(BENCHFLAGS)

# 20,000 recipients: it took 6m41s where the machine was slowest, and is to stay under ten minutes.
.PHONY: bench-quick
bench-quick: ## The ratios that have targets, in some minutes
	@go build -o bin/bench ./test/bench
	@exec bin/bench -set quick -runs 1 -recipients 20000 $(BENCHFLAGS)

.PHONY: bench-million
bench-million: ## One campaign of a million recipients, and previews over as many customers
	@go build -o bin/bench ./test/bench
	@exec bin/bench -set million -runs 1 -audience 1000000 $(BENCHFLAGS)

##@ Test

.PHONY: test
test: ## All tests with the race detector, on a real PostgreSQL, RabbitMQ and Temporal that it starts, and the MCP inspector
	@go build -o bin/teststack ./internal/devstack/cmd/teststack
	@bin/teststack -- $(GOTESTSUM) --format pkgname-and-test-fails -- -race -p 2 -timeout 20m $(TESTFLAGS) $(PKG)
	@$(if $(filter ./...,$(PKG)),bash .ci/mcp)

.PHONY: chaos-smoke
chaos-smoke: ## A seeded sample of crashes, lost answers and outages, judged by the auditor (SEED= repeats one)
	@go build -o bin/chaos ./test/chaos
	@exec bin/chaos smoke $(CHAOSFLAGS)

.PHONY: chaos
chaos: ## Every fault in every phase, then the mutants: hours (CHAOSFLAGS='--only=regexp' for a part)
	@go build -o bin/chaos ./test/chaos
	@exec bin/chaos full $(CHAOSFLAGS)

.PHONY: test-short
test-short: ## Only the tests that need no server
	@$(GOTESTSUM) --format pkgname-and-test-fails -- -short $(TESTFLAGS) $(PKG)

.PHONY: fuzz
fuzz: ## Every fuzz target for FUZZTIME inputs
	@(grep -lE '^func Fuzz' $(GO_FILES) || true) | sort | while read -r file; do \
		sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file" | while read -r name; do \
			echo "fuzz $${file%/*} $$name"; \
			go test -run='^$$' -fuzz="^$$name$$" -fuzztime=$(FUZZTIME) "$${file%/*}" </dev/null; \
		done; \
	done

##@ Check

.PHONY: check
check: check-format check-modules vet arch lint check-workflows check-sql fuzz ## The definition of done, with test: what CI runs first

.PHONY: check-client
check-client: ## A TypeScript client generated from the OpenAPI document compiles (gets Node for itself)
	@bash .ci/client

.PHONY: check-mcp
check-mcp: ## The official MCP inspector calls the tools, over HTTP and over stdio (gets Node for itself)
	@bash .ci/mcp

.PHONY: check-browser
check-browser: ## Pages of other origins and a sign-in, in a real Chromium (gets it for itself, as root)
	@bash .ci/browser

.PHONY: check-format
check-format:
	@echo "format"
	@bad=$$($(GOFUMPT) -l $(GO_FILES)); [ -z "$$bad" ] || { echo "not formatted, run make fmt:"; echo "$$bad"; exit 1; }

.PHONY: check-modules
check-modules:
	@echo "modules"
	@go mod verify

.PHONY: vet
vet: ## go vet
	@echo "vet"
	@go vet ./...

.PHONY: arch
arch: ## Who may import whom
	@echo "arch"
	@go test -count=1 ./internal/arch

.PHONY: lint
lint: ## golangci-lint
	@echo "lint"
	@$(GOLANGCI) run ./...

.PHONY: check-workflows
check-workflows:
	@echo "workflowcheck"
	@$(WORKFLOWCHECK) -config tools/workflowcheck.yaml ./workflows/...

.PHONY: check-sql
check-sql:
	@echo "sqlc diff"
	@$(SQLC) diff

.PHONY: verify
verify: generate ## Regenerate everything, tidy, and fail if that changes a file
	@go mod tidy
	@go -C dev/temporal vet ./...
	@changed=$$(git status --porcelain -- db/internal go.mod go.sum); \
	[ -z "$$changed" ] || { echo "generated files are out of date:"; git --no-pager diff --stat; echo "$$changed"; exit 1; }

##@ Change

.PHONY: fmt
fmt: ## Format all Go files
	@$(GOFUMPT) -w $(GO_FILES)

.PHONY: generate
generate: ## Write what is generated from SQL
	@$(SQLC) generate

.PHONY: clean
clean: ## Remove bin and the state of the local stack in .dev (stops nothing: end the demo first)
	@rm -rf bin .dev coverage.out

.PHONY: help
help: ## This list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
