# `make` alone lists what there is. Nothing here needs Docker; only test-kafka, test-faults, test-failpoints and kafka
# need Java.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh
BIN := .venv/bin
READY := .venv/.ready
ARGS ?=

# The first Python 3.11 of these that answers; `make setup PYTHON=/path/to/python3.11` names another.
IS_3_11 := import sys; sys.exit(sys.version_info[:2] != (3, 11))
PYTHON ?= $(shell for name in python3.11 python3 python; do \
	"$$name" -c '$(IS_3_11)' 2>/dev/null && command -v "$$name" && break; done)

.PHONY: help
help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY)  ## install everything into .venv, from requirements.lock; about a minute the first time
	@echo "Ready. Try: make demo"

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11 on the PATH. Debian 12: apt-get install python3 python3-venv." \
		"Elsewhere install it and name it: make setup PYTHON=/path/to/python3.11"; exit 1; }
	@"$(PYTHON)" -c '$(IS_3_11)' || { echo "$(PYTHON) is not Python 3.11, which this project needs." \
		"Name one: make setup PYTHON=/path/to/python3.11"; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments." \
		"Debian and Ubuntu: apt-get install python3-venv (or python3.11-venv)"; exit 1; }
	@test -x $(BIN)/python || { echo "Creating .venv with $(PYTHON)"; "$(PYTHON)" -m venv .venv; }
	@echo "Installing the locked dependencies (about a minute the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@echo "Installing the project itself"
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: demo
demo: $(READY)  ## run the real workers on an embedded broker with a simulated shop; ARGS= go to `handoff demo`
	@$(BIN)/handoff demo $(ARGS)

.PHONY: replay
replay: $(READY)  ## replay recorded events: FILE=events.jsonl
	@test -n "$(FILE)" || { echo "Which file? make replay FILE=events.jsonl"; exit 1; }
	@$(BIN)/handoff replay $(FILE) $(ARGS)

.PHONY: rule
rule: $(READY)  ## begin a new rule: NAME=order_not_packed writes app/rules/order_not_packed.py and .md
	@test -n "$(NAME)" || { echo "Which name? make rule NAME=order_not_packed"; exit 1; }
	@$(BIN)/python -m app rule $(NAME) $(ARGS)

.PHONY: test
test: $(READY)  ## all tests but the fault campaign; says which broker it used
	@echo "Testing; the last lines say which broker was used (HANDOFF_TEST_BROKER=auto|external|docker|kafka|embedded)"
	@$(BIN)/pytest -m "not faults" $(ARGS)

.PHONY: test-kafka
test-kafka: $(READY)  ## the live tests again on a real Apache Kafka from Maven Central (Java 17, Maven)
	@echo "Testing the live shell on Apache Kafka"
	@HANDOFF_TEST_BROKER=kafka $(BIN)/pytest -m "kafka and not faults" $(ARGS)

.PHONY: test-faults
test-faults: $(READY)  ## kill, freeze, move workers on a real Apache Kafka 56 times, and count what is lost; 15-20 min
	@$(BIN)/python -m tests.faults.campaign $(ARGS)

.PHONY: test-failpoints
test-failpoints: $(READY)  ## crash workers at every step of a batch, on a real Apache Kafka; minutes
	@echo "Testing crashes at every step on Apache Kafka"
	@HANDOFF_TEST_BROKER=kafka $(BIN)/pytest -m faults $(ARGS)

.PHONY: lint
lint: $(READY)  ## style and format
	@echo "Linting"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

.PHONY: types
types: $(READY)  ## types, strictly
	@echo "Checking types"
	@$(BIN)/mypy

.PHONY: check
check: lint types test  ## what CI asks of every change: lint, types, test

.PHONY: bench
bench: $(READY)  ## measure throughput and latency of this machine
	@$(BIN)/python -m tests.bench $(ARGS)

.PHONY: docs
docs: $(READY)  ## write the generated files again: JSON schemas, AsyncAPI, the rule catalogue
	@$(BIN)/python -m app docs

.PHONY: kafka
kafka: $(READY)  ## start a real Apache Kafka to try things on, until interrupted
	@$(BIN)/python -m tests.brokers kafka

.PHONY: lock
lock: $(READY)  ## choose the newest allowed versions and write requirements.lock
	@echo "Resolving dependencies"
	@$(BIN)/pip-compile --quiet --upgrade --allow-unsafe --extra=dev --extra=live --generate-hashes --no-emit-find-links \
		--no-emit-index-url --no-emit-trusted-host --output-file=requirements.lock --strip-extras pyproject.toml

.PHONY: clean
clean:  ## remove .venv, caches and downloads
	rm -rf .venv .kafka .data .bench .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
