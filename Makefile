# `make demo` and `make test` need Python 3.10 or newer, git and make; everything else is set up in .venv.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: help demo test lint fix benchmark docs package clean

help:  ## Show this list
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*## */\t/' | expand -t 12

demo: .venv/core  ## Ingest the sample help centre and show what was gained, per language
	$(BIN)/xqg demo

test: lint  ## Lint, type-check and test
	$(BIN)/pytest

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fix: .venv/dev  ## Format and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: .venv/dev  ## Time every stage
	$(BIN)/python benchmarks/stages.py

docs: .venv/docs  ## Build the site from docs/ into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --site-dir site

package: .venv/dev  ## Build dist/: the source distribution, and the wheel from it
	rm -rf dist
	$(BIN)/python -m build --outdir dist .

# What a user installs. torch first and pinned: an open range would bring a build with gigabytes for other machines.
.venv/core: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "xqg needs Python 3.10 or newer; try make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	@echo "Installing xqg into .venv (1.6 GB, and 4 GB more where PyTorch brings CUDA) ..."
	$(PIP) torch
	$(PIP) -e .
	@touch $@

# What tests and benchmarks need beside it.
.venv/dev: .venv/core
	@echo "Installing extras and tools into .venv (0.9 GB) ..."
	$(PIP) -e '.[dev]'
	@touch $@

# What builds the site (0.2 GB): apart, since no test needs it.
.venv/docs: .venv/core
	$(PIP) -e '.[docs]'
	@touch $@

clean:  ## Remove what make and the demo made
	rm -rf .venv demo-data build dist site .mypy_cache .ruff_cache .pytest_cache
