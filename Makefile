# Works from a fresh clone: `make demo`, `make test`, and `make check` for everything that CI runs.
# PYTHON is the interpreter for a new .venv; ARGS is passed to pytest: make test ARGS="-k layers".
# Tests run in two processes; with ARGS="-n 0" they run in a single one.

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
INSTALLED := .venv/.installed

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: help install demo test test-all check lint types docs coverage bench clean

help:
	@echo "make install   create .venv with rankkit and pinned dependencies"
	@echo "make demo      train, evaluate and export a ranker of MovieLens to output/demo, and ask it"
	@echo "make test      run the fast tests; ARGS=... is passed to pytest"
	@echo "make test-all  run all tests, including searches, subprocesses, Spark and examples"
	@echo "make check     run everything that CI runs: lint, types, docs, test-all"
	@echo "make lint      run ruff check and ruff format --check"
	@echo "make types     run pyright"
	@echo "make docs      build the documentation in docs/_build/html"
	@echo "make coverage  run all tests and report uncovered lines"
	@echo "make bench     run the benchmarks; ratios in output/benchmarks.json"
	@echo "make clean     remove build products, output and .venv"

$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	@test -x $(BIN)/python || command -v $(PYTHON) >/dev/null || \
		{ echo "$(PYTHON) was not found. Pass a Python of 3.11 to 3.13: make PYTHON=..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; (3, 11) <= sys.version_info < (3, 14) or \
		sys.exit("rankkit needs Python 3.11 to 3.13. $(PYTHON) is %d.%d. Pass another: \
	make PYTHON=..." % sys.version_info[:2])'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }
	@echo "Installing rankkit and pinned dependencies into .venv (takes minutes)"
	@# Only a part of the modules is imported: Python compiles those at their first import.
	@$(BIN)/python -m pip install -qq --no-compile -c constraints.txt -e ".[dev]"
	@touch $@

install: $(INSTALLED)

demo: $(INSTALLED)
	rm -rf output/demo
	$(BIN)/python examples/01_movielens_ranking.py --output-dir output/demo
	$(BIN)/python examples/ask_server.py output/demo/export

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
