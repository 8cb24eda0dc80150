# What a newcomer types. Needs Python 3.11 and make; everything else is set up into .venv.
.PHONY: setup database lint test coverage test-long torture demo bench clean

PYTHON ?= python3
KILLS ?= 1000
VENV := .venv
BIN := $(VENV)/bin
CORPUS := $(wildcard ../shared/corpus)
ifneq ($(CORPUS),)
export SILTA_CORPUS ?= $(abspath $(CORPUS))
endif

# Hundreds of short processes run here: each would compile the whole program again.
unexport PYTHONDONTWRITEBYTECODE

# The stamp is newer than what it was made from, or the set-up runs again.
setup: $(VENV)/.ready

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# The store's tests run on PostgreSQL too, which is never skipped.
database:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null \
	|| { SUDO=$$([ "$$(id -u)" = 0 ] || echo "sudo -n"); \
	$$SUDO apt-get -qq update && $$SUDO apt-get -qq install -y --no-install-recommends postgresql; }

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: setup database
	$(BIN)/pytest -n 4 --dist worksteal -m "not long"

# The same tests, measured: takes about twice as long, and fails below the floor in pyproject.toml.
coverage: setup database
	$(BIN)/coverage erase
	$(BIN)/pytest -n 2 -m "not long" --cov --cov-report=term

test-long: setup database
	$(BIN)/pytest -n 2 -m long --timeout=7200

# kill -9 at random moments under load, KILLS times over both stores; prints its seed, ends with its figures.
torture: setup database
	@$(BIN)/python -m tests.relay.torture $(KILLS)

demo: setup
	$(BIN)/silta demo

bench: setup
	$(BIN)/python -m tests.benchmarks

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .coverage*
