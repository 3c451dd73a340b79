# `make demo` and `make test` need Python 3.10 or newer, git and make; everything else is set up in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test lint fix benchmark clean

help:  ## Show this list
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*## */\t/' | expand -t 12

demo: .venv/installed  ## Ingest the sample help centre and show what was gained, per language
	$(BIN)/xqg demo

test: lint  ## Lint, type-check and test
	$(BIN)/pytest

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fix: .venv/installed  ## Format and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: .venv/installed  ## Time every stage
	$(BIN)/python benchmarks/stages.py

# torch first and pinned: an open range would bring a build with gigabytes for other machines.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "xqg needs Python 3.10 or newer; try make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	@echo "Installing into .venv (about 2 GB, a minute or two) ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

clean:  ## Remove what make and the demo made
	rm -rf .venv demo-data build dist .mypy_cache .ruff_cache .pytest_cache
