# One command for each thing. `make` lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
export DLT_PROJECT_DIR := $(CURDIR)

.PHONY: help
help: ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

# The stamp keeps an installed environment until the lock or the packaging changes.
.venv/stamp: requirements.lock pyproject.toml
	@echo "Installing into .venv (a few minutes at most, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(INSTALL) -r requirements.lock
	@$(INSTALL) --no-deps -e .
	@touch $@

.PHONY: demo
demo: .venv/stamp ## from nothing to a database: install, start the sandbox API, sync seven of its days into data/demo.duckdb
	@$(BIN)/drip-flows demo

.PHONY: sync
sync: .venv/stamp ## sync your own accounts (needs SOURCES__DRIP__API_KEY or .dlt/secrets.toml)
	@$(BIN)/drip-flows sync

.PHONY: lab
lab: .venv/stamp ## open the notebooks in JupyterLab, on your database, or on the demo's if there is no other
	@$(BIN)/python -m flows.lab

.PHONY: test
test: .venv/stamp ## everything the tests need, then the tests
	@$(BIN)/python -m pytest

.PHONY: rehearse
rehearse: .venv/stamp ## kill, starve and disturb real syncs of the sandbox, and print what they withstood (half an hour)
	@$(BIN)/python -m benchmarks.robustness

.PHONY: bench
bench: .venv/stamp ## how fast the sync is beside the limit and other tools, how it grows, what it costs to start (an hour)
	@$(BIN)/python -m benchmarks.peers
	@$(BIN)/python -m benchmarks.speed

.PHONY: lint
lint: .venv/stamp ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict flows

.PHONY: cassettes
cassettes: .venv/stamp ## record the cassettes again: from the sandbox, or with RECORD_KEY and RECORD_ACCOUNT set from the real API
	@rm -rf tests/cassettes
	@$(BIN)/python -m pytest tests/test_cassettes.py -k "test_resource or whole_flow" \
		--record-mode=rewrite --quiet $(if $(RECORD_KEY),--allowed-hosts=.*)

.PHONY: pictures
pictures: demo ## draw the README's pictures again, from the demo's database
	@DESTINATION__DUCKDB__CREDENTIALS=data/demo.duckdb $(BIN)/python -m tests.pictures

.PHONY: lock
lock: .venv/stamp ## pin the newest versions that the bounds in pyproject.toml allow
	@$(INSTALL) uv
	@$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --quiet --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --python-version 3.11 --upgrade -o requirements.lock

.PHONY: audit
audit: .venv/stamp ## look the pinned versions up in the database of known vulnerabilities
	@$(BIN)/pip-audit --disable-pip --no-deps -r requirements.lock

.PHONY: clean
clean: ## remove the environment, caches, and the demo database; your own data stays
	@rm -rf .venv benchmarks/.peers build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info data/demo.duckdb*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
