# Latchkey: one word for each thing one does here. `make help` lists them.
#
# `make demo` and `make test` work as the first command on a Debian 12 that has git and make: each
# first installs what is missing and says what and why (scripts/bootstrap). A second run installs
# nothing and needs no network.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 60
JOBS = $(shell scripts/jobs)
NINJA = ninja -C
# Benchmarks and fuzzers print their own progress; ninja's is one line.
export NINJA_STATUS ?= [%f/%t %es]

# Tests use unoptimised programs with debug information, the demo and the benchmarks optimised ones.
DEV := build/dev
RELEASE := build/release
DEV_BIN := $(CURDIR)/$(DEV)/bin
RELEASE_BIN := $(CURDIR)/$(RELEASE)/bin

.PHONY: help build deps demo test test-unit test-js test-e2e test-attack test-crash test-recipes test-asan test-bluetooth test-fresh packages test-packages lint format bench \
        fuzz install uninstall clean dev js

help: ## this text
	@echo "Latchkey: HTTPS for the devices in a house"
	@echo
	@echo "  make NAME, where NAME is"
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "    %-13s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  make install PREFIX=/usr DESTDIR=/tmp/root   where to (PREFIX=/usr/local)"
	@echo "  make fuzz FUZZ_SECONDS=600                   how long each target runs (60)"
	@echo "  make lint LINT=all                           clang-tidy over every file (long)"
	@echo "  make test-fresh FRESH=quick                  only the tools and the unit tests"

build: ## the programs and the extension, optimised (this is plain `make`)
	@scripts/bootstrap --for build
	@cmake --preset release >/dev/null
	@echo "== building the programs ($(RELEASE)/bin)"
	@$(NINJA) $(RELEASE) -j $(JOBS) programs
	@scripts/build_js

deps: ## install what building, testing and the demo need, and nothing else
	@scripts/bootstrap --for build test demo

dev:
	@cmake --preset dev >/dev/null
	@echo "== building the programs and tests ($(DEV))"
	@$(NINJA) $(DEV) -j $(JOBS)

js:
	@scripts/build_js

demo: ## a film site, a device and a browser, in a house of its own
	@scripts/bootstrap --for build demo
	@cmake --preset release >/dev/null
	@echo "== building the programs ($(RELEASE)/bin)"
	@$(NINJA) $(RELEASE) -j $(JOBS) programs
	@scripts/build_js
	@LATCHKEY_BIN=$(RELEASE_BIN) demo/run

test: ## every test: units, extension, whole system in real browsers, attacks
	@scripts/bootstrap --for build test
	@$(MAKE) dev js
	@LATCHKEY_BIN=$(DEV_BIN) scripts/test unit js packaging e2e e2e-firefox attack recipes

test-unit: ## the C++ tests alone (ctest)
	@scripts/bootstrap --for build unit --no-npm
	@$(MAKE) dev
	@LATCHKEY_BIN=$(DEV_BIN) scripts/test unit

test-js: ## the extension's and the SDK's tests alone
	@scripts/bootstrap --for build
	@$(MAKE) js
	@scripts/test js

test-e2e: ## the whole system, in network namespaces, with real browsers
	@scripts/bootstrap --for build test
	@$(MAKE) dev js
	@LATCHKEY_BIN=$(DEV_BIN) scripts/test e2e e2e-firefox

test-attack: ## attacks on the whole system
	@scripts/bootstrap --for build test
	@$(MAKE) dev js
	@LATCHKEY_BIN=$(DEV_BIN) scripts/test attack

test-crash: ## agent and device killed inside every call that changes a file; `make test` has the short form
	@scripts/bootstrap --for build test
	@$(MAKE) dev
	@LATCHKEY_BIN=$(DEV_BIN) CRASH_ALL=1 scripts/test crash

test-recipes: ## other people's software behind a device, with gigabytes and minutes (docs/recipes)
	@scripts/bootstrap --for build test
	@$(MAKE) dev
	@LATCHKEY_BIN=$(DEV_BIN) RECIPES_LONG=1 scripts/test recipes

test-asan: ## the C++ tests under address and undefined-behaviour sanitizers, everything built (long)
	@scripts/bootstrap --for build unit --no-npm
	@cmake --preset asan >/dev/null
	@$(NINJA) build/asan -j $(JOBS)
	@ASAN_BUILD=build/asan scripts/test asan

test-bluetooth: ## latchkey-device and real BlueZ over a virtual radio, in a QEMU guest
	@scripts/bootstrap --for build bluetooth --no-npm
	@cmake --preset dev >/dev/null
	@$(NINJA) $(DEV) -j $(JOBS) programs
	@LATCHKEY_BIN=$(DEV_BIN) scripts/test bluetooth

test-fresh: ## `make test` and `make demo` on a minimal Debian 12, then again without network (root)
	@scripts/bootstrap --for fresh --no-npm
	@scripts/as_root scripts/test_fresh

packages: build ## Debian packages of the three sides, in out/packages
	@scripts/bootstrap --for packages --no-npm
	@scripts/make_packages $(RELEASE)

test-packages: packages ## the packages in a minimal Debian 12: install, try, remove, look for what is left (root)
	@scripts/bootstrap --for fresh --no-npm
	@scripts/as_root scripts/test_packages

lint: ## layout, layers, names, shell, JavaScript, clang-tidy over changed files
	@scripts/bootstrap --for build lint
	@scripts/lint

format: ## lay out the C++ in place
	@scripts/bootstrap --for lint --no-npm
	@scripts/lint --format

bench: ## measurements; results also in out/bench/*.json
	@scripts/bootstrap --for build test bench
	@cmake --preset release >/dev/null
	@$(NINJA) $(RELEASE) -j $(JOBS)
	@LATCHKEY_BIN=$(RELEASE_BIN) scripts/bench

fuzz: ## the fuzz targets, FUZZ_SECONDS each
	@scripts/bootstrap --for build fuzz --no-npm
	@cmake --preset fuzz >/dev/null
	@$(NINJA) build/fuzz -j $(JOBS)
	@scripts/fuzz $(FUZZ_SECONDS)

install: ## copy programs, units, manuals to $(DESTDIR)$(PREFIX), after `make`
	@test -x $(RELEASE)/bin/latchkey || { echo "Run make first: there is nothing to install yet." >&2; exit 1; }
	@cmake --preset release -DCMAKE_INSTALL_PREFIX=$(PREFIX) >/dev/null
	@DESTDIR=$(DESTDIR) cmake --install $(RELEASE)

uninstall: ## remove what the last `make install` copied
	@test -f $(RELEASE)/install_manifest.txt || { echo "No $(RELEASE)/install_manifest.txt: nothing was installed from here." >&2; exit 1; }
	@while IFS= read -r file || [ -n "$$file" ]; do rm -vf "$(DESTDIR)$$file"; done < $(RELEASE)/install_manifest.txt

clean: ## everything that was built (not what was installed)
	@rm -rf build out extension/dist sdk/dist extension/build sdk/build
