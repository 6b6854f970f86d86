# Everything that is done here more than once. `make help` lists it.

BIN     := $(CURDIR)/devs-webhook
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
TOOL    := go tool -modfile=tools.mod
FUZZTIME ?= 10s

# The race detector needs a C compiler; go finds out whether there is one.
ifeq ($(shell go env CGO_ENABLED),1)
RACE := -race
endif

.DEFAULT_GOAL := help
.PHONY: help run build test e2e-claude test-image golden fuzz cover bench fix clean \
	lint lint-format lint-vet lint-staticcheck lint-zerolog lint-sumtype lint-fix lint-mod

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: build ## Show the main job at work, against a simulated GitHub. KEEP=1 stays up afterwards.
	$(BIN) demo $(if $(KEEP),--keep)

build: ## Build the one static binary, ./devs-webhook.
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN) .

# The tests get the static binary, because it is what runs inside containers. gotestsum prints what go test
# prints, and at the end the tests that were left out, with the reason.
test: build ## Test all that this machine can, and say what was left out. REQUIRE_DOCKER=1 makes a missing engine a failure.
	DEVS_WEBHOOK_BIN=$(BIN) $(TOOL) gotestsum --format standard-quiet -- $(RACE) -timeout 20m ./...
	@$(if $(RACE),,echo 'Left out: the race detector, because there is no C compiler.')

# The real command line client, outside the repository. CLAUDE_BIN names one that is there already.
CLAUDE_VERSION ?= 2.1.330
CLAUDE_DIR     ?= $(HOME)/.cache/devs-webhook/claude-$(CLAUDE_VERSION)

e2e-claude: build ## Run the real Claude Code through the whole service, with a model of ours (needs Docker; installs the client with npm).
	@set -e; bin="$$CLAUDE_BIN"; \
	if [ -z "$$bin" ]; then \
		mkdir -p $(CLAUDE_DIR); \
		[ -d $(CLAUDE_DIR)/node_modules/@anthropic-ai ] || npm install --prefix $(CLAUDE_DIR) --no-fund --no-audit --loglevel=error @anthropic-ai/claude-code@$(CLAUDE_VERSION); \
		bin=$$(find $(CLAUDE_DIR)/node_modules/@anthropic-ai/ -maxdepth 2 -type f -name claude | head -n 1); \
		test -n "$$bin" || { echo 'the client was not found in its packages'; exit 1; }; \
	fi; \
	CLAUDE_BIN=$$bin DEVS_WEBHOOK_BIN=$(BIN) $(TOOL) gotestsum --format testname -- -count=1 -timeout 10m -run Claude . ./internal/runner ./internal/sim/model

test-image: build ## Make devs-webhook-test:latest on the engine, from this machine's own git and sh.
	$(BIN) test-image

golden: ## Rewrite the golden files and docs/configuration.md; review them as a diff.
	go test $$(grep -rl --include='*_test.go' 'flag.Bool("update"' . | xargs -n1 dirname | sort -u) -update

# A fuzz test is run alone, so they are run one after the other. FUZZTIME is a time, or a number of tries as 5000x.
fuzz: ## Fuzz every parser for FUZZTIME (10s).
	@set -e; targets=$$(grep -rn --include='*_test.go' '^func Fuzz' . | sed -E 's|/[^/]*:[0-9]+:func (Fuzz[A-Za-z0-9_]*).*| \1|' | sort -u); \
	test -n "$$targets" || { echo 'no fuzz test was found'; exit 1; }; \
	echo "$$targets" | while read -r dir name; do \
		echo "$$dir $$name"; go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) $$dir </dev/null; \
	done

cover: build ## Measure the coverage of the tests by all packages: coverage.out.
	DEVS_WEBHOOK_BIN=$(BIN) go test -timeout 20m -coverpkg=./... -coverprofile=coverage.out ./...
	go tool cover -func=coverage.out | tail -1

bench: ## Run the benchmarks.
	go test -run '^$$' -bench . -benchmem ./...

lint: ## Look for what compiles and is wrong all the same: all of the lints, each to its end.
	@$(MAKE) --keep-going --no-print-directory lint-format lint-vet lint-staticcheck lint-zerolog lint-sumtype lint-fix lint-mod

lint-format: ## Files that gofumpt would change.
	@echo gofumpt; found=$$($(TOOL) gofumpt -l .) && test -z "$$found" || { echo "$$found"; exit 1; }

lint-vet: ## go vet.
	go vet ./...

lint-staticcheck: ## staticcheck.
	$(TOOL) staticcheck ./...

lint-zerolog: ## Log events that are never sent.
	go vet -vettool="$$($(TOOL) -n zerologlint)" ./...

lint-sumtype: ## Switches over messages that forget a case.
	$(TOOL) go-check-sumtype -default-signifies-exhaustive=false ./...

lint-fix: ## Code for which the language has something newer.
	go fix -diff ./...

lint-mod: ## Whether go.mod is tidy.
	go mod tidy -diff

fix: ## Mend what can be mended by itself: go fix, gofumpt.
	go fix ./...
	$(TOOL) gofumpt -w .

clean: ## Remove what was built.
	rm -rf $(BIN) dist coverage.out
