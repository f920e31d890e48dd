# `make` lists what can be made. Each step is skipped when its result is there; what can be kept for another clone lies
# in $(VOLANT_CACHE).

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

B := build
DESTDIR ?=
PREFIX ?= /usr/local
NAMES := volantd volar kestrel fledge

# Without a usable HOME the cache stays in the clone.
ifndef VOLANT_CACHE
  ifdef XDG_CACHE_HOME
    VOLANT_CACHE := $(XDG_CACHE_HOME)/volant
  else ifneq ($(HOME),)
    VOLANT_CACHE := $(HOME)/.cache/volant
  else
    VOLANT_CACHE := $(CURDIR)/.tools/cache
  endif
endif
export VOLANT_CACHE

# mke2fs, ip and others lie there, and an ordinary user of Debian does not have them on PATH.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

# ---- The pinned Deno ------------------------------------------------------------------------------------------------
DENO_VERSION := 2.9.6
DENO := $(CURDIR)/.tools/deno-$(DENO_VERSION)/deno
ARCH := $(shell uname -m)
ifeq ($(ARCH),x86_64)
  DENO_PACKAGE := @deno/linux-x64-glibc
  DENO_INTEGRITY ?= sha512-3md4TKLCuzsLDmfOoC5KN7NAZaxSVkMgm64vg6foD00JBADCpYS2/5QqXfzgnP5ZQz3iLP9vBQJtEgc116OAoQ==
else
  DENO_PACKAGE := @deno/linux-arm64-glibc
  DENO_INTEGRITY ?=
endif
export DENO_DIR := $(VOLANT_CACHE)/deno_dir
export DENO_NO_UPDATE_CHECK := 1
export DENO_NO_PROMPT := 1
# As npm does, trust what this host trusts.
export DENO_TLS_CA_STORE ?= system,mozilla

$(DENO): tools/setup/deno.sh | packages
	@tools/setup/deno.sh $@ $(DENO_VERSION) $(DENO_PACKAGE) '$(DENO_INTEGRITY)' '$(VOLANT_CACHE)'

# ---- What is made ---------------------------------------------------------------------------------------------------
KERNELS := $(addprefix $(B)/kernels/,vmlinux-generic vmlinux-volant bzImage-volant)
SHIMS := $(addprefix $(B)/shim/,shim monitor simulated)
SOURCES := $(shell find src tools/pack -type f -not -name '*_test.ts') deno.json deno.lock
# A new commit is a new version, where there is git at all.
COMMIT := $(wildcard .git/logs/HEAD)

-include shim/shim.mk shim/monitor.mk shim/simulated.mk tools/icount/icount.mk

STUB_SOURCES := tools/pack/stub.c tools/pack/image.c tools/pack/entry_$(ARCH).S
STUB_CFLAGS := -std=c17 -Os -Wall -Wextra -Werror -Wpedantic -Wconversion -ffreestanding -fno-stack-protector \
	-fno-asynchronous-unwind-tables -fno-pie -no-pie -static -nostdlib -Wl,-z,noexecstack -Wl,--build-id=none -s

$(B)/pack/stub: $(STUB_SOURCES) $(wildcard tools/pack/*.h) | packages
	@mkdir -p $(@D)
	gcc $(STUB_CFLAGS) -o $@ $(STUB_SOURCES)

$(SHIMS): | packages

KERNEL_INPUTS := $(shell find kernels -type f -not -name '*_test.ts' -not -name '*.md')
$(KERNELS) &: $(KERNEL_INPUTS) $(B)/shim/shim | $(DENO) packages
	$(DENO) run -A kernels/build.ts --shim $(B)/shim/shim --out $(B)/kernels

# The packer, unless `deno compile` is asked for: with COMPILE=1, which fetches its base, or with DENORT_BIN, which names it.
$(B)/volant: $(SOURCES) $(COMMIT) $(B)/pack/stub $(KERNELS) $(SHIMS) $(DENO) | dependencies
	$(DENO) run -A tools/pack/pack.ts --stub $(B)/pack/stub --out $(abspath $@) $(if $(COMPILE)$(DENORT_BIN),--compile)

# ---- Targets --------------------------------------------------------------------------------------------------------
.PHONY: help check test torture demo bench volant kernels shim install clean packages dependencies gate

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-9s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

check: gate ## Format, lint, types, C warnings and unit tests: the gate
	$(DENO) run -A tools/test.ts unit

test: gate volant ## The gate, then the tests of the executable
	$(DENO) run -A tools/test.ts unit executable

torture: volant ## The tests that take long
	$(DENO) run -A tools/test.ts torture

demo: volant ## A page served out of a microVM, from nothing to clean-up
	$(DENO) run -A tools/demo.ts

bench: volant $(B)/icount.so ## Measure, print a table, write build/bench.json (ONLY=boot for a part)
	$(DENO) run -A tools/bench/bench.ts $(ONLY)

volant: $(B)/volant ## The one executable, build/volant, and the names it answers to

kernels: $(KERNELS) ## The guest kernels

shim: $(SHIMS) ## The guest's PID 1, the monitor and the simulated VMM

install: volant ## Copy the executable to $(PREFIX)/bin (DESTDIR is respected)
	install -D -m 755 $(B)/volant $(DESTDIR)$(PREFIX)/bin/volant
	for name in $(NAMES); do ln -sfn volant $(DESTDIR)$(PREFIX)/bin/$$name; done

clean: ## Remove build/ (the tools and the cache stay)
	rm -rf $(B)

packages:
	@tools/setup/packages.sh tools/packages.txt

dependencies: $(DENO)
	@$(DENO) install --frozen --quiet

gate: $(B)/pack/stub $(SHIMS) dependencies
	$(DENO) fmt --check --quiet
	$(DENO) lint --quiet
	$(DENO) check --quiet src kernels shim tools tests
