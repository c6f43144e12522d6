# Each target sets up what it needs: .venv from pyproject.toml, the engine from
# cext/, the test peers from Debian. A second run finds it there and is quick.
#
#   make build      .venv/bin/edge-agent, ready to run
#   make demo       the daemon between simulated customers and a simulated cloud
#   make test       linters, types and every test (EDGE_CORPUS=folder: real messages too)
#   make sanitize   the engine's tests under AddressSanitizer and UBSan
#   make proof      the property and fuzz tests, for minutes instead of seconds, and the floods:
#                   build/proof/report.md; and TRUNK_DAYS of simulated customers and robocallers:
#                   build/proof/simulation.md
#   make bench      what a decision costs, and a ramp of SIPp calls
#   make dist       sdist, and a wheel with the trained engine, in dist/

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check install -qq --root-user-action=ignore

# Some of the peers' commands are kept where only root looks.
export PATH := $(PATH):/usr/sbin

# The commands of the test peers, and the Debian packages that hold them.
PEERS := sipp tshark valgrind systemd-analyze kamailio ip nft
PEER_PACKAGES := sip-tester tshark valgrind systemd kamailio kamailio-secsipid-modules iproute2 nftables

# $(call apt,PACKAGES) installs Debian packages, as root or by sudo.
define apt
	echo "installing from Debian: $(1)"; \
	run=; if [ "$$(id -u)" != 0 ]; then \
	    command -v sudo >/dev/null || { echo "missing, and neither root nor sudo here: apt-get install $(1)" >&2; exit 1; }; \
	    run=sudo; fi; \
	$$run apt-get update -qq; \
	$$run env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(1) >/dev/null
endef

.PHONY: build demo test test-engine test-daemon lint sanitize proof bench dist peers clean

# The engine is compiled twice, the second time with what a run of the first counted. `make build TRAINED=` leaves
# that out, for who changes the engine every minute; so does an sdist, which has no tests to train with.
TRAINED := $(if $(wildcard tests/bench/train.py),build/profile/.trained)

build: $(VENV)/.installed $(TRAINED)
	@$(if $(TRAINED),EDGE_PROFILE=use) $(PY) setup.py --quiet build_ext --inplace

build/profile/.trained: $(shell find cext -type f) setup.py tests/bench/train.py | $(VENV)/.installed
	@rm -rf build/profile build/temp.*/build/cext/*.gcda
	@EDGE_PROFILE=record $(PY) setup.py --quiet build_ext --inplace --force
	@$(PY) -m tests.bench.train
	@mkdir -p $(@D) && touch $@

# The interpreter that CPython's own checks call complete: venv with pip, and Python.h.
$(PY):
	@command -v gcc >/dev/null && $(PYTHON) -c 'import ensurepip, pathlib, sysconfig; \
	    pathlib.Path(sysconfig.get_path("include"), "Python.h").stat()' 2>/dev/null \
	    || { $(call apt,gcc libc6-dev python3-venv python3-dev); }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "edge-agent needs Python 3.11 or newer")'
	@$(PYTHON) -m venv $(VENV)

# What the build itself needs comes first and stays, so that no isolated build
# environment is downloaded each time.
$(VENV)/.installed: pyproject.toml setup.py | $(PY)
	@$(PY) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
	    | $(PIP) -r /dev/stdin
	@EDGE_ENGINE=no $(PIP) --no-build-isolation --editable .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	@EDGE_ENGINE=no $(PIP) --no-build-isolation --editable '.[test,ua]'
	@touch $@

demo: build
	@$(VENV)/bin/edge-agent demo

# Kamailio's package starts a service on port 5060; the tests have processes of their own.
peers:
	@command -v $(PEERS) >/dev/null && [ "$$(command -v $(PEERS) | wc -l)" = $(words $(PEERS)) ] \
	    || { $(call apt,$(PEER_PACKAGES)); \
	    [ ! -d /run/systemd/system ] || $$run systemctl disable --quiet --now kamailio; }

lint: $(VENV)/.tested build
	@$(PY) -m ruff check
	@$(PY) -m mypy

# The tests that run the engine in their own process share the cores. The others measure, or
# put daemons and peers beside each other: one at a time, and nothing as urgent beside it.
IN_PROCESS := $(wildcard $(addprefix tests/,unit rules cases property proxy conformance fuzz))
SHARED := --numprocesses=$(shell nproc) --dist=worksteal
test: test-engine test-daemon
test-engine: peers lint
	@$(PY) -m pytest $(SHARED) $(IN_PROCESS) $(PYTEST)
test-daemon: peers $(VENV)/.tested build
	@$(PY) -m pytest $(addprefix --ignore=,$(IN_PROCESS)) tests $(PYTEST)

# A copy of the tree with an engine of its own, so that the usual one stays as it is.
# What AddressSanitizer keeps of freed memory hides how much the engine takes.
SANITIZED := build/sanitize/tree
sanitize: $(VENV)/.tested build
	@mkdir -p $(SANITIZED)
	@tar -c --exclude='*.so' --exclude=__pycache__ --exclude='*.egg-info' \
	    setup.py pyproject.toml README.md POLICY.md LICENSE cext config edge_agent systemd tests | tar -x -C $(SANITIZED)
	@cd $(SANITIZED) && EDGE_SANITIZE=1 $(CURDIR)/$(PY) setup.py --quiet build_ext --inplace
	@cd $(SANITIZED) && LD_PRELOAD="$$(gcc -print-file-name=libasan.so)" PYTHONMALLOC=malloc PYTHONPATH=. \
	    ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1 \
	    $(CURDIR)/$(PY) -m pytest -q $(SHARED) --capture=sys -p no:cacheprovider \
	    --deselect tests/proxy/test_tables.py::test_memory_is_bounded $(IN_PROCESS) $(PYTEST)

FUZZ_SECONDS ?= 120
FLOOD_SECONDS ?= 5
TRUNK_DAYS ?= 1000
proof: peers $(VENV)/.tested build
	@EDGE_PROPERTY=thorough $(PY) -m pytest -q tests/property $(PYTEST)
	@for target in tests/fuzz/fuzz_*.py; do \
	    $(PY) -m tests.fuzz.$$(basename $$target .py) --seconds $(FUZZ_SECONDS) --seed $$RANDOM; done
	@$(PY) -m tests.flood --seconds $(FLOOD_SECONDS) --out build/proof
	@$(PY) -m tests.simulation --trunk-days $(TRUNK_DAYS) --out build/proof

bench: peers $(VENV)/.tested build
	@mkdir -p build/bench
	@$(PY) -m tests.bench.bench_decision --json build/bench/decision.json
	@$(PY) -m tests.bench.bench_instructions --json build/bench/instructions.json
	@$(PY) -m tests.bench.bench_stir --json build/bench/stir.json
	@$(PY) -m tests.bench.bench_lists --json build/bench/lists.json
	@$(PY) -m tests.sipp.load --out build/bench/sipp

dist: $(VENV)/.tested build
	@$(PY) -m build --no-isolation --sdist
	@$(if $(TRAINED),EDGE_PROFILE=use) $(PY) -m build --no-isolation --wheel

clean:
	@rm -rf build dist edge_agent/*.so *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
