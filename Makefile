# The front door. Everything below is done by tools/ and Meson; docs/howto/build.md shows Meson by hand.
#
# make VERBOSE=1 shows what Meson and Ninja say. JOBS bounds parallel compilation, SECONDS the time per fuzzer or soak.

BUILD   := build
JOBS    ?= $(shell nproc)
PREFIX  ?= /usr/local
ORT     := $(CURDIR)/$(BUILD)/lib/libonnxruntime.so.1
PYTHON  := $(BUILD)/venv/bin/python
QUIET   := $(if $(VERBOSE),,>$(BUILD)/make.log 2>&1 || { tail -n 40 $(BUILD)/make.log >&2; exit 1; })
# The system's tools come first: the build must not depend on what else is in PATH.
export PATH := /usr/bin:$(PATH)

.DEFAULT_GOAL := all
.PHONY: all deps deps-test demo test bench interop fuzz soak install clean distclean format lint docs help

all: deps $(BUILD)/build.ninja ## build build/skerry
	@ninja -C $(BUILD) -j $(JOBS) skerry $(QUIET)

$(BUILD)/build.ninja: | deps
	@meson setup $(BUILD) -Dtests=false -Dfuzz=off -Donnxruntime=$(ORT) $(QUIET)

deps: ## install what the build needs and is missing
	@tools/deps.sh run

deps-test: ## install what the tests and benches need and is missing
	@tools/deps.sh test

demo: all ## the whole chain on made pictures, from training to an update under load; KEEP=1 leaves it running
	@examples/demo/run.sh

test: deps-test ## every check and test; the last line counts them
	@$(PYTHON) tools/run-tests.py --jobs $(JOBS) $(ARGS)

bench: all deps-test ## the figures of the README, beside their peers; ONLY=serve, train, hub, iot, edge or kill for one part
	@ninja -C $(BUILD) -j $(JOBS) $(QUIET)
	@status=0; for part in $(or $(ONLY),serve train hub iot edge kill); do $(PYTHON) bench/$$part.py $(ARGS) || status=1; done; exit $$status

interop: all deps-test ## the OCI conformance suite, and the real cosign, built here (5 minutes, Go)
	@tools/interop.sh
	@SKERRY=$(CURDIR)/$(BUILD)/skerry SKERRY_ONNXRUNTIME=$(ORT) $(PYTHON) -m pytest tests/it -m interop -ra -p no:cacheprovider $(ARGS)

fuzz: deps-test ## each fuzzer from the stored corpus, SECONDS each (600)
	@SECONDS_EACH=$(or $(SECONDS),600) tools/fuzz.sh $(ARGS)

soak: all deps-test ## serve under changing load for SECONDS (600); ARGS="--faults all" breaks things under devices
	@ninja -C $(BUILD) -j $(JOBS) $(QUIET)
	@SKERRY=$(CURDIR)/$(BUILD)/skerry $(PYTHON) tools/soak.py --seconds $(or $(SECONDS),600) $(ARGS)

install: deps ## release build into PREFIX (/usr/local), with ONNX Runtime beside it
	@tools/install.sh $(PREFIX)

format: ## clang-format all C files in place
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i

lint: deps-test ## clang-tidy, gcc -fanalyzer, the longest files and functions
	@tools/lint.sh

docs: all ## rewrite docs/commands.md from the command table
	@tools/check-docs.py --update

clean: ## remove what was compiled, keep downloads
	@find $(BUILD) -mindepth 1 -maxdepth 1 ! -name venv ! -name lib ! -name node ! -name '.deps-*' -exec rm -rf {} + 2>/dev/null || true

distclean: ## remove everything that was made
	@rm -rf $(BUILD)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
