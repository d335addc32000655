# Everything is installed into .venv; nothing outside this folder is changed.
# `make run` and `make test` install what they need first, and are instant when it is there.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

# A stamp is named after what it was made from: change pyproject.toml or constraints.txt and it is made again.
KEY := $(shell cat pyproject.toml constraints.txt | cksum | cut -d ' ' -f 1)
RUN_STAMP := $(VENV)/.installed-run-$(KEY)
DEV_STAMP := $(VENV)/.installed-dev-$(KEY)

CLIENT := tests/clients/node
CLIENT_LOCK := $(wildcard $(CLIENT)/package-lock.json)
CLIENT_STAMP := $(CLIENT)/node_modules/.installed

PACKAGES := $(patsubst %/__init__.py,%,$(wildcard */__init__.py))

.DEFAULT_GOAL := help
.PHONY: help install install-dev install-clients run test check lint bench clean

help:  ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(RUN_STAMP)  ## install into .venv what running needs

install-dev: $(DEV_STAMP)  ## install into .venv what the tests need as well

run: $(RUN_STAMP)  ## start the demo: engine, sample programme, simulated players (ARGS="--port 9000" for options)
	@$(BIN)/playtower demo $(ARGS)

test: $(DEV_STAMP) install-clients  ## run every test (ARGS="tests/crm -k quiet" for some)
	@$(BIN)/python -m pytest $(ARGS)

check: lint  ## format, lint, types, import contracts and the quick tests
	@$(BIN)/python -m pytest -q -m "not slow and not ray" $(ARGS)

lint: $(DEV_STAMP)  ## the same without tests
	@echo "format"
	@$(BIN)/ruff format --check .
	@echo "lint"
	@$(BIN)/ruff check .
	@echo "types"
	@$(BIN)/mypy $(filter-out tests,$(PACKAGES))
	@echo "imports"
	@$(BIN)/lint-imports

bench: $(RUN_STAMP)  ## measure this machine (ARGS="placement --json" for one)
	@$(BIN)/playtower bench $(ARGS)

clean:  ## remove what was installed and cached; data directories stay
	rm -rf $(VENV) $(CLIENT)/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed, and there is no python3 on PATH." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' || { \
		echo "Python 3.11 or 3.12 is needed; $(PYTHON) is $$($(PYTHON) --version)." >&2; \
		echo "Name another one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { \
		echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): | $(BIN)/python
	@echo "Installing Playtower into $(VENV): about 150 MB to fetch, a minute or two"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@rm -f $(VENV)/.installed-*
	@touch $@

$(DEV_STAMP): | $(BIN)/python
	@echo "Installing Playtower and its test tools into $(VENV): about 400 MB to fetch with a CPU build of PyTorch, some minutes"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@rm -f $(VENV)/.installed-*
	@touch $@ $(RUN_STAMP)

# The Segment client for Node is tested where Node is; without it that one test says why it is skipped.
install-clients: $(if $(CLIENT_LOCK),$(CLIENT_STAMP))

$(CLIENT_STAMP): $(CLIENT_LOCK)
	@if command -v npm > /dev/null; then \
		echo "Installing the Node test client into $(CLIENT)" && \
		npm ci --ignore-scripts --no-audit --no-fund --silent --prefix $(CLIENT) && touch $@; \
	else echo "No npm on PATH: the Node client is not tested"; fi
