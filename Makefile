# `make run` shows the product, `make test` checks everything. Both set up what they need in .venv, from constraints.txt
# and its two parts, where every release stands with its hashes: docs/decisions/026-hashes.md.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Without isolation, what has to be built is built by what stands in requirements-build.txt, not by the newest release.
INSTALL := $(PIP) install --quiet --require-hashes --no-build-isolation --requirement
LOCKS := pyproject.toml constraints.txt requirements.txt requirements-build.txt

# The Python to make the environment with; without one, the first suitable of these.
PYTHON ?=
PYTHONS := $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11)

# Stamps: what they name is installed as pyproject.toml and constraints.txt say.
TOOLS := $(VENV)/.tools-installed
RUNTIME := $(VENV)/.runtime-installed
DEVELOPMENT := $(VENV)/.development-installed

.PHONY: help run test lint format bench soak conformance dashboards pictures site address coverage fuzz mutate lock sbom clean

help:
	@echo "make run     mail servers that misbehave, and the exporter probing them; Ctrl-C ends it"
	@echo "make test    lint, type check and every test; tests against real servers if those are installed"
	@echo "make lint    only lint and type check"
	@echo "make format  put the code in order"
	@echo "make bench   measure what is claimed about speed, beside others; half an hour, on a machine that does nothing else"
	@echo "make soak    put the daemon under load for half an hour, print the curve of its memory, and compare its counts; MINUTES=N"
	@echo "make conformance LIMBO=FILE  hold the judgement of certificates to x509-limbo"
	@echo "make dashboards  generate the dashboards, the alert rules, the chart's schema and the tables of docs/ anew"
	@echo "make pictures    draw the dashboards and the pages for docs/; takes ten minutes, and needs npm, chromium and prometheus"
	@echo "make site    build the documentation as a web site into build/site; any broken link is an error"
	@echo "make address URL=https://...  change the project's address everywhere"
	@echo "make coverage    how much the tests reach, by line and branch; fails below what is promised; needs the servers"
	@echo "make fuzz    fuzz every parser, from the corpus in tests/fuzz; SECONDS_EACH=60, TARGETS=\"imap-dialogue ...\""
	@echo "make mutate  change what judges, a bit at a time; fails if a change goes unnoticed; SAMPLE=50 FOLDERS=\"flows ...\""
	@echo "make lock    resolve the dependencies anew, and write them down with their hashes"
	@echo "make sbom    list the libraries, with licences in docs/ and as a bill of materials in dist/"
	@echo "make clean   remove the environment and every cache"

run: $(RUNTIME)
	$(BIN)/mail-exporter demo

# pytest comes last: its closing line is the result.
test: lint
	$(BIN)/python -m pytest

lint: $(DEVELOPMENT)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEVELOPMENT)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# One of them, say: make bench BENCH="scrape memory". Results: a table each, and all of them in RESULTS as JSON.
BENCH ?=
RESULTS ?= benchmarks/results.json
bench: $(DEVELOPMENT)
	$(BIN)/python -m benchmarks --json $(RESULTS) $(BENCH)

conformance: $(DEVELOPMENT)
	$(BIN)/python -W ignore -m tests.conformance.limbo $(LIMBO)

# Exits with 1 if memory grows after the warm-up, or if the counts differ from those of the servers.
MINUTES ?= 30
soak: $(DEVELOPMENT)
	$(BIN)/python -m tests.soak --minutes $(MINUTES)

dashboards: $(DEVELOPMENT)
	$(BIN)/python -m dashboards
	$(BIN)/python -m dashboards --output=deploy/helm/mail-exporter/files
	$(BIN)/python -m deploy.helm.generate
	$(BIN)/python -m deploy.metrics_page > docs/metrics.md
	$(BIN)/python -m deploy.providers_page > docs/providers.md

pictures: $(DEVELOPMENT)
	$(BIN)/python -m dashboards.preview

site: $(DEVELOPMENT)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "built build/site/index.html"

address: $(DEVELOPMENT)
	$(BIN)/python -m deploy.address "$(URL)"
	$(MAKE) dashboards

# --universal: one file for every Python and platform, with markers where they differ.
COMPILE = $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--custom-compile-command "make lock" --no-emit-package mail-exporter

lock: $(DEVELOPMENT)
	$(COMPILE) --upgrade --group dev --group build --group lock --extra domains --output-file constraints.txt pyproject.toml
	$(COMPILE) --constraint constraints.txt --extra domains --output-file requirements.txt pyproject.toml
	$(COMPILE) --constraint constraints.txt --group build --output-file requirements-build.txt
	$(COMPILE) --upgrade --group fuzz --output-file requirements-fuzz.txt

# With the daemons and commands that tests start. Needs the servers, as in the weekly workflow.
# One test is left out: without threads and descriptors, coverage cannot save what it counted, and complains.
OF_FLOWS := exporter/flows/messages/*,exporter/flows/ledger.py,exporter/flows/reading/assignment.py,exporter/flows/reading/watched_mailboxes.py
JUDGES := exporter/protocol/*,exporter/certificates/*,$(OF_FLOWS)
coverage: $(DEVELOPMENT)
	$(BIN)/coverage erase
	HYPOTHESIS_PROFILE=brief $(BIN)/coverage run -m pytest -q tests/unit tests/protocol tests/property tests/integration \
		--deselect tests/integration/test_host_scarcity.py::test_without_threads_probes_say_so_and_afterwards_all_is_as_before
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered --fail-under=95
	$(BIN)/coverage report --skip-covered --show-missing --fail-under=100 --include='$(JUDGES)'

SECONDS_EACH ?= 60
TARGETS ?=
fuzz: $(DEVELOPMENT)
	$(INSTALL) requirements-fuzz.txt
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS_EACH) $(TARGETS)

# Of each folder; 0 for all changes. Exits with 1 if one is not noticed, and tests/mutation/known.py gives no reason.
SAMPLE ?= 0
FOLDERS ?=
mutate: $(DEVELOPMENT)
	$(BIN)/python -m tests.mutation --sample $(SAMPLE) $(FOLDERS)

sbom: $(DEVELOPMENT)
	$(BIN)/python -m deploy.bill_of_materials

clean:
	rm -rf dashboards/preview/node_modules dashboards/preview/dist
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@chosen=; incomplete=; \
	for python in $(PYTHONS); do \
		$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null || continue; \
		if $$python -c 'import ensurepip, venv' 2>/dev/null; then chosen=$$python; break; fi; \
		incomplete="$$incomplete $$python"; \
	done; \
	if [ -n "$$chosen" ]; then \
		echo "making $(VENV) with $$chosen ($$($$chosen --version))"; \
		$$chosen -m venv $(VENV); \
	elif [ -n "$$incomplete" ]; then \
		echo "make: found$$incomplete, but without the modules venv and ensurepip;" \
			"on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; \
	else \
		echo "make: no Python 3.11 to 3.14 found (tried: $(PYTHONS));" \
			"install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; \
	fi

$(TOOLS): $(LOCKS) | $(BIN)/python
	$(INSTALL) requirements-build.txt
	@touch $@

$(RUNTIME): $(TOOLS)
	$(INSTALL) requirements.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(DEVELOPMENT): $(RUNTIME)
	$(INSTALL) constraints.txt
	@touch $@
