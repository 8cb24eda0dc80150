# What a newcomer types. Needs Python 3.11 and make; everything else is set up into .venv.
.PHONY: setup lint test test-long torture demo bench clean

PYTHON ?= python3
KILLS ?= 1000
VENV := .venv
BIN := $(VENV)/bin
CORPUS := $(wildcard ../shared/corpus)
ifneq ($(CORPUS),)
export SILTA_CORPUS ?= $(abspath $(CORPUS))
endif

# The stamp is newer than what it was made from, or the set-up runs again.
setup: $(VENV)/.ready

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: setup
	$(BIN)/pytest -n 2 -m "not long" --cov --cov-report=

test-long: setup
	$(BIN)/pytest -n 2 -m long --timeout=7200

# kill -9 at random moments under load, as often as KILLS says; prints its seed and what it counted.
torture: setup
	SILTA_KILLS=$(KILLS) $(BIN)/pytest -q -s -m long tests/relay/test_kill.py

demo: setup
	$(BIN)/silta demo

bench: setup
	$(BIN)/python -m tests.benchmarks

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .coverage*
