# SPDX-License-Identifier: MIT
# A thin front for meson: each target first installs the Debian packages that it lacks.
# make all | demo | test | test-full | bench | census | kmod-census | module-census | fuzz |
#      install | format | check

BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=

.PHONY: all demo test test-full bench census kmod-census module-census fuzz install format check tidy clean
all: $(BUILD)/release/build.ninja
	@ninja -C $(BUILD)/release

$(BUILD)/release/build.ninja:
	@scripts/setup build
	@mkdir -p $(BUILD)
	@meson setup $(BUILD)/release --prefix=$(PREFIX) --buildtype=release -Dtests=false \
		-Dwerror=false >$(BUILD)/release.log || { cat $(BUILD)/release.log; exit 1; }

demo:
	@scripts/demo $(BUILD)/release

test: setup-test
	@BUILD=$(BUILD) scripts/test

test-full: setup-test setup-census
	@BUILD=$(BUILD) scripts/test full
	@$(MAKE) --no-print-directory census bench

# Each load in a fresh process, against glibc.
bench: setup-test
	@bench/run $(BUILD)/release

census:
	@scripts/census $(BUILD)/release

# umod's kmod commands against kmod's, on whole module trees.
kmod-census:
	@scripts/kmod-census $(BUILD)/release

# All modules of whole kernels through every stage but init, against a computation.
module-census:
	@scripts/module-census $(BUILD)/census

# An hour; FUZZ_SECONDS=60 for less.
fuzz: setup-test
	@BUILD=$(BUILD) scripts/fuzz $(or $(FUZZ_SECONDS),3600)

install: all
	@meson install -C $(BUILD)/release --no-rebuild $(if $(DESTDIR),--destdir $(DESTDIR))
	@[ -n "$(DESTDIR)" ] || PATH=$$PATH:/sbin ldconfig || true

format:
	@scripts/format

# What needs no build: formatting, layers, headers. Then the linters.
check: setup-test tidy
	@scripts/format --check
	@python3 tests/check/layers.py
	@python3 tests/check/style.py

tidy: setup-test
	@BUILD=$(BUILD) scripts/tidy

.PHONY: setup-build setup-test setup-census
setup-build:
	@scripts/setup build
	@mkdir -p $(BUILD)
setup-test:
	@scripts/setup build test programs
setup-census:
	@scripts/setup census

clean:
	rm -rf $(BUILD)
