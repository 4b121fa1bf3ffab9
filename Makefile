# Everything from a fresh clone: `make demo`, `make test`, and `make check` for all that CI runs.
# PYTHON chooses the interpreter of a new .venv; ARGS goes to pytest: make test ARGS="-k layers".
# Two tests run at a time; ARGS="-n 0" runs one after the other, in this process.

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
INSTALLED := .venv/.installed

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: help install demo test test-all check lint types docs coverage bench clean

help:
	@echo "make install   make .venv with rankkit and the tested versions of what it needs"
	@echo "make demo    train, evaluate and export a ranker of MovieLens; results in output/demo"
	@echo "make test    run the fast tests; ARGS=... goes to pytest"
	@echo "make test-all   run all tests: also searches, subprocesses, Spark, examples and pages"
	@echo "make check   all that CI runs: lint, types, docs, test-all"
	@echo "make lint | types | docs    one of these"
	@echo "make coverage   run the tests and tell which lines they missed"
	@echo "make bench   run the measurements of tests/benchmarks; ratios in output/benchmarks.json"
	@echo "make clean   remove what was built, .venv included"

$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	@test -x $(BIN)/python || command -v $(PYTHON) >/dev/null || \
		{ echo "$(PYTHON) was not found. Name a Python of 3.11 to 3.13: make PYTHON=..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; (3, 11) <= sys.version_info < (3, 14) or \
		sys.exit("rankkit needs Python 3.11 to 3.13. $(PYTHON) is %d.%d. Name another: \
	make PYTHON=..." % sys.version_info[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }
	@echo "Installing rankkit and the tested versions of what it needs into .venv (minutes)"
	@$(BIN)/python -m pip install -qq -c constraints.txt -e ".[dev]"
	@touch $@

install: $(INSTALLED)

demo: $(INSTALLED)
	rm -rf output/demo
	$(BIN)/python examples/01_movielens_ranking.py --output-dir output/demo

test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow" $(ARGS)

test-all: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

coverage: $(INSTALLED)
	$(BIN)/python -m coverage run -m pytest $(ARGS)
	$(BIN)/python -m coverage report

check: lint types docs test-all

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(INSTALLED)
	$(BIN)/pyright

docs: $(INSTALLED)
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: $(INSTALLED)
	@$(BIN)/python -m pip install -qq -c constraints.txt -e ".[bench]"
	$(BIN)/python tests/benchmarks/run.py

clean:
	rm -rf .venv build output docs/_build .pytest_cache .ruff_cache .hypothesis .coverage
	rm -rf rankkit.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
