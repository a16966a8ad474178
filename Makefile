# Two commands do all the set-up: `make demo` and `make test`.
# PYTHON may name any Python 3.11 or newer.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
INSTALLED = $(VENV)/.installed

.PHONY: help install demo test check format bench wheel clean

help:
	@echo "make demo     build, train, separate, score and publish on synthetic sounds"
	@echo "make test     run the tests"
	@echo "make check    ruff and mypy --strict"
	@echo "make format   format the code"
	@echo "make bench    install the libraries that the benchmarks compare against"
	@echo "make wheel    build the wheel into dist/"

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'lassbench needs Python 3.11 or newer: make PYTHON=python3.11')"
	$(PYTHON) -m venv $(VENV)
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,dev]'
	touch $@

demo: $(INSTALLED)
	$(BIN)/lassbench demo demo

test: $(INSTALLED)
	$(BIN)/python -m pytest

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(INSTALLED)
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --editable '.[bench]'

wheel: $(INSTALLED)
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean:
	rm -rf demo dist .pytest_cache .mypy_cache .ruff_cache
