# SPDX-License-Identifier: GPL-2.0-only
# Everything from nothing: `make run` and `make test` set up what is missing, and do nothing where all is there.

VENV := .venv
PYTHON := $(VENV)/bin/python
ORCH := $(VENV)/bin/orch
SCENARIO := scenarios/pud.yaml
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help setup ready run test unit vm nested long check docs completion bench mutants clean

help:
	@echo 'make run    set up, then: orch run $(SCENARIO)'
	@echo 'make test   set up, then the tests: unit, vm and nested'
	@echo 'make unit   set up, then the tests without a virtual machine'
	@echo 'make vm     set up, then the tests that build and boot'
	@echo 'make nested set up, then the tests with a virtual machine in a virtual machine'
	@echo 'make long   set up, then the tests that build a further kernel whole, and pud.yaml under KVM'
	@echo 'make check  set up, then ruff, mypy, the order of imports, and the documents'
	@echo 'make docs   set up, then the documents: build/docs/html and build/docs/man'
	@echo 'make completion  set up, then completion for bash and zsh: build/completion'
	@echo 'make bench  set up, then measure builds and boots (about 12 minutes)'
	@echo 'make mutants set up, then build and boot broken kernels that have no result yet (a minute each)'
	@echo 'make clean  remove the virtual environment; the cache of kernels stays'

setup: $(VENV)/ready
	@tools/setup-system

$(VENV)/ready: pyproject.toml orchestrator/doctor/requirements.py tools/setup-system tools/setup-venv
	@tools/setup-system
	@tools/setup-venv $(VENV)
	@touch $@

# What is missing is said now, in a sentence, and not by a run that fails later.
ready: setup
	@$(ORCH) doctor --quiet

run: ready
	$(ORCH) run $(SCENARIO)

test: unit vm nested

# Three workers on two cores: some tests wait, for sshd, for a lock, for the end of a grace period.
unit: setup
	@tools/setup-system all
	$(PYTHON) -m pytest tests/unit -n 3 --dist worksteal

# The base kernel comes first: what the tests build starts from its tree, and two that need it at once would wait for it.
# Then two workers, each with files of its own: a boot keeps one core busy, and all share the cache of kernels.
vm: setup
	@tools/setup-system all
	@$(ORCH) doctor --quiet
	$(PYTHON) -m pytest tests/vm/test_declared.py tests/vm/test_pud.py
	$(PYTHON) -m pytest tests/vm -m 'not nested and not long' -n 2 --durations 12 --dist loadfile --ignore tests/vm/test_pud.py

# Kernels that are built whole for one test alone: another compiler, older Linux, a build from nothing without
# a cache; and every command of the documents.
long: setup
	@tools/setup-system all
	$(PYTHON) -m pytest tests/vm -m long

nested: setup
	@tools/setup-system all
	$(PYTHON) -m pytest tests/vm -m nested

check: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(PYTHON) -m pytest tests/unit/test_layering.py tests/unit/test_style.py tests/unit/test_docs.py
	@$(MAKE) --no-print-directory docs

# A warning is an error: a link that leads nowhere, a page that no other names.
docs: setup
	$(VENV)/bin/sphinx-build -q -W --keep-going -b html docs build/docs/html
	$(VENV)/bin/sphinx-build -q -W --keep-going -b man docs build/docs/man

completion: setup
	@mkdir -p build/completion
	$(PYTHON) -m shtab --shell=bash --prog=orch orchestrator.cli.parser.parser >build/completion/orch.bash
	$(PYTHON) -m shtab --shell=zsh --prog=orch orchestrator.cli.parser.parser >build/completion/_orch

bench: ready
	$(PYTHON) tools/bench.py

# With every group of tests; the list and the result are in tests/mutants.
mutants: ready
	$(PYTHON) tools/mutants.py

clean:
	rm -rf $(VENV)
