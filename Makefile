# make demo   set everything up and audit two small nets on drawn faces
# make test   set everything up and run the tests
# make check  lint, types and import order, as continuous integration does
# make bench  side-by-side timings
PYTHON ?= python3
VENV   ?= .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PIP := $(BIN)/python -m pip --disable-pip-version-check
DEMO ?= countenance-demo
WORKERS ?= 2

export OMP_NUM_THREADS ?= 1

.PHONY: demo test check bench docs clean

$(VENV)/installed: pyproject.toml constraints.txt hatch_build.py
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet -c constraints.txt "torch==2.13.0"
	$(PIP) install --quiet -c constraints.txt -e .
	@echo done > $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) install --quiet -c constraints.txt -e ".[dev]"
	@echo done > $@

demo: $(VENV)/installed
	$(BIN)/countenance demo --out $(DEMO) --overwrite

# The accessibility checker of the report's tests (MPL-2.0): fetched where npm is, never committed; without it they skip.
node_modules/axe-core:
	-npm install --prefix . --no-save --no-package-lock --ignore-scripts --no-audit --no-fund axe-core@4.14.1

test: $(VENV)/installed-dev $(if $(shell command -v npm),node_modules/axe-core)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/installed-dev
	$(BIN)/python -m benchmarks

docs: $(VENV)/installed-dev
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) node_modules .editable dist build site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
