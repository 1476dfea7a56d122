# One command for each thing. `make` lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/python -m uv
PIP := $(BIN)/python -m pip --disable-pip-version-check
export DLT_PROJECT_DIR := $(CURDIR)

# What a sync and the notebooks need, at the versions of the lock; and all of the lock, for the tests.
RUNTIME := --constraint requirements.lock --editable ".[postgres,notebooks]"
EVERYTHING := --no-deps --requirement requirements.lock --editable .

# uv installs in seconds what takes pip minutes. pip takes over where uv cannot be had or does not reach the index.
# Both compile to bytecode. Where PYTHONDONTWRITEBYTECODE is set, every start would otherwise take three times as long.
install = $(BIN)/python $(QUIETLY) $(1) sh -c '{ $(UV) pip install --compile-bytecode --python $(BIN)/python $(2) \
	|| $(PIP) install $(2); } && $(BIN)/python -m compileall -q flows'
QUIETLY := -I flows/cli/quietly.py

.PHONY: help
help: ## list these commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 14

.venv/python.stamp:
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' \
		|| { echo "drip-flows needs Python 3.11 to 3.14. Name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) $(QUIETLY) "Making .venv with $$($(PYTHON) --version 2>&1)" $(PYTHON) -m venv .venv
	@$(BIN)/python $(QUIETLY) "Installing uv" $(PIP) install uv || echo "uv cannot be installed; pip installs the rest, which takes minutes"
	@touch $@

# The stamps keep an installed environment until the lock or the packaging changes.
.venv/runtime.stamp: .venv/python.stamp requirements.lock pyproject.toml
	@$(call install,"Installing what a sync and the notebooks need into .venv",$(RUNTIME))
	@touch $@

.venv/everything.stamp: .venv/python.stamp requirements.lock pyproject.toml
	@$(call install,"Installing what the tests need as well into .venv",$(EVERYTHING))
	@touch $@ .venv/runtime.stamp

.PHONY: install
install: .venv/runtime.stamp ## install or upgrade what a sync and the notebooks need, in .venv

.PHONY: demo
demo: .venv/runtime.stamp ## from nothing to a database: install, start the sandbox API, sync seven of its days into data/demo.duckdb
	@$(BIN)/drip-flows demo

.PHONY: sync
sync: .venv/runtime.stamp ## sync your own accounts (needs SOURCES__DRIP__API_KEY or .dlt/secrets.toml)
	@$(BIN)/drip-flows sync

.PHONY: lab
lab: .venv/runtime.stamp ## open the notebooks in JupyterLab, on your database, or on the demo's if there is no other
	@$(BIN)/python -m flows.cli.lab

.PHONY: report
report: .venv/runtime.stamp ## write data/report.html: the notebooks' charts as one page to share, without code
	@$(BIN)/drip-flows report

.PHONY: test
test: .venv/everything.stamp ## everything the tests need, then the tests
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

.PHONY: rehearse
rehearse: .venv/everything.stamp ## kill, starve and disturb real syncs of the sandbox, and print what they withstood (half an hour)
	@$(BIN)/python -m benchmarks.robustness

.PHONY: soak
soak: .venv/everything.stamp ## look for deviations with random stories of syncs: SEED=0 SEEDS=1 STEPS=50 PROCESSES=1 (a step takes about 0.4 s)
	@$(BIN)/python -m benchmarks.soak run --seed $(or $(SEED),0) --seeds $(or $(SEEDS),1) --steps $(or $(STEPS),50) --processes $(or $(PROCESSES),1)

.PHONY: bench
bench: .venv/everything.stamp ## how fast the sync is beside the limit and other tools, how it grows, what it costs to start (an hour)
	@$(BIN)/python -m benchmarks.peers
	@$(BIN)/python -m benchmarks.speed

.PHONY: lint
lint: .venv/everything.stamp ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict flows

.PHONY: cassettes
cassettes: .venv/everything.stamp ## record the cassettes again: from the sandbox, or with RECORD_KEY and RECORD_ACCOUNT set from the real API
	@rm -rf tests/cassettes
	@$(BIN)/python -m pytest tests/test_cassettes.py -k "test_resource or whole_flow" \
		--record-mode=rewrite --quiet $(if $(RECORD_KEY),--allowed-hosts=.*)

.PHONY: pictures
pictures: demo ## draw the README's pictures again, from the demo's database
	@DESTINATION__DUCKDB__CREDENTIALS=data/demo.duckdb $(BIN)/python -m tests.pictures

.PHONY: lock
lock: .venv/everything.stamp ## pin the newest versions that the bounds in pyproject.toml allow
	@$(UV) pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 --quiet --no-header \
		--no-annotate --no-emit-index-url --no-emit-find-links --upgrade --output-file requirements.lock

.PHONY: newest
newest: .venv/everything.stamp ## run the tests with the newest version of everything, and name the versions that break them
	@$(BIN)/python -m tests.newest

.PHONY: audit
audit: .venv/everything.stamp ## look the pinned versions up in the database of known vulnerabilities
	@$(BIN)/pip-audit --disable-pip --no-deps -r requirements.lock

.PHONY: clean
clean: ## remove the environment, caches, and the demo database; your own data stays
	@rm -rf .venv .venv-newest benchmarks/.peers build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info data/demo.duckdb* data/demo-webhooks
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
