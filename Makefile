# `make` alone prints what there is.

VENV := .venv
BIN := $(VENV)/bin
DATA ?=
BENCH ?=
# How many processes test at once; each starts servers of its own.
TESTERS ?= 2

.DEFAULT_GOAL := help

.PHONY: help
help: ## Print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 16

.PHONY: setup
setup: $(VENV)/.ready ## Make .venv with all that EAS needs, .venv/bin/eas among it

.PHONY: demo
demo: setup ## Run the main job from start to report; DATA=folder searches your own light curves
	$(BIN)/eas demo --out build/demo $(if $(DATA),--light-curves "$(DATA)")

.PHONY: up
up: setup ## Start the suite in the foreground; Ctrl-C stops it
	$(BIN)/eas up

.PHONY: psls
psls: setup ## Install PSLS (GPL) and its star models, for the task type synthesis_psls
	deploy/install.sh $(VENV) requirements/psls.txt
	PYTHON=$(BIN)/python deploy/psls_data.sh

.PHONY: test
test: $(VENV)/.ready-dev ## Check style, types and architecture, then run all tests
	deploy/test_servers.sh
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest --numprocesses $(TESTERS) --dist loadfile tests/architecture tests/unit tests/integration
	$(BIN)/pytest --numprocesses $(TESTERS) --dist loadfile tests/acceptance

.PHONY: unit
unit: $(VENV)/.ready-dev ## Run the quick tests: units and architecture, without what is marked as slow
	$(BIN)/pytest --numprocesses $(TESTERS) --dist worksteal -m "not slow" --hypothesis-profile quick tests/architecture tests/unit

.PHONY: types
types: $(VENV)/.ready-dev ## Check types and the import rules of the architecture
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

.PHONY: lint
lint: $(VENV)/.ready-dev ## Mend style where that is safe, then check style, types and architecture
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

.PHONY: bench
bench: $(VENV)/.ready-dev ## Measure speed and write build/bench.json; BENCH=name runs one
	$(BIN)/python -m tests.benchmarks $(BENCH)

.PHONY: lock
lock: ## Write the lock files in requirements/ anew (needs uv)
	requirements/lock.sh

.PHONY: clean
clean: ## Remove .venv and everything that was built
	rm -rf $(VENV) $(VENV)-servers build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.ready: requirements/embedded.txt requirements/uv.txt pyproject.toml deploy/setup.sh deploy/install.sh
	deploy/setup.sh $(VENV) requirements/embedded.txt
	touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements/dev.txt requirements/servers.txt
	deploy/install.sh $(VENV) requirements/dev.txt
	-[ -d $(VENV)/share/psls ] || PYTHON=$(BIN)/python deploy/psls_data.sh  # without it the tests of PSLS are skipped
	$(BIN)/python -m venv $(VENV)-servers
	deploy/install.sh $(VENV)-servers requirements/servers.txt
	touch $@
