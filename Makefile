# The verbs of this repository. A bare `make` lists them.
# Each verb makes .venv first if it is missing or its lock has changed.

PYTHON ?= python3
BIN := .venv/bin
C_FILES := $(wildcard src/*/*.[ch] src/*/*/*.[ch])
export LOCK := $(CURDIR)/$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet

.PHONY: help setup run image compare test-quick test test-http test-sdk fuzz check docs specification lock bench soak clean
help: ## list these verbs
	@sed -n -E 's/^([a-z-]+[a-z%]):.*## (.*)/make \1\t\2/p' Makefile | expand -t 22
setup: .venv/.installed ## make .venv: the locked packages and our own
run: setup ## train on real data, serve the model, show its answers and accuracy
	$(BIN)/python -m container.demo
image: setup ## build halfstar:latest
	$(BIN)/python -m container.image
compare: setup ## build the image twice and compare the files
	$(BIN)/python -m container.compare

test-quick: setup ## the tests that need neither Docker, nor a browser, nor much time
	$(BIN)/pytest -n auto -m "not docker and not browser and not slow and not sanitizer"
test: setup ## all tests, in Docker too
	$(BIN)/python -m container.engine
	$(BIN)/pytest -n auto --dist loadgroup --no-loadscope-reorder
test-sdk: setup ## AWS's own SDKs in local mode, and against `launcher local`
	$(BIN)/python -m container.engine
	$(MAKE) -C tests/sdk environments
	$(BIN)/pytest --timeout 0 tests/sdk/local_mode.py tests/sdk/services.py tests/sdk/launched.py tests/sdk/notebook.py
test-http: setup ## requests made from the OpenAPI documents, to the image
	$(BIN)/python -m container.engine
	$(MAKE) -C tests/http environment
	$(BIN)/pytest tests/http/conformance.py
fuzz: setup ## mutated inputs for every reader of anything, for MINUTES=60
	$(MAKE) -C tests/fuzz fuzz
check: setup ## linters, formatting of Python and C, types, density
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror $(C_FILES)
	$(BIN)/mypy
	$(BIN)/python -m tools.density
docs: ## build the docs as a site, in site/; warnings are errors
	$(MAKE) -C tools/docs site

specification: setup ## write what is generated from declarations in the code
	$(BIN)/python -m train.specification > launcher/training.json.new
	mv launcher/training.json.new launcher/training.json
	$(BIN)/python -m tests.faults.table docs/faults.md
	$(BIN)/python -m tools.reference
	$(BIN)/python -m tools.diagrams
lock: setup ## resolve the locks again: with hashes, without index addresses
	$(LOCK) pyproject.toml --extra dev --output-file requirements-dev.txt
	set -e; for each in container tools/docs tests/http tests/sdk tests/fuzz benchmarks; do $(MAKE) -C $$each lock; done
bench: bench-tutorial ## accuracy and features beside the notebook tutorial
soak: bench-soak ## ten minutes of right and wrong requests
bench-%: ## any other benchmark; `make -C benchmarks` lists them
	$(MAKE) -C benchmarks $*
clean: ## remove what these verbs have made here
	rm -rf .venv .venv-* build dist site .cache src/*.egg-info src/*/*.so src/*/*/*.so .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/.dependencies: requirements-dev.txt container/requirements-build.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "$(PYTHON) is too old: name a Python from 3.11 on, as in make PYTHON=python3.11")'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --require-hashes -r container/requirements-build.txt
	$(BIN)/pip install --quiet --require-hashes --no-deps -r requirements-dev.txt
	touch $@
# Our own package comes last: sagemaker-training has a `train` script too, and ours must win.
.venv/.installed: .venv/.dependencies pyproject.toml $(C_FILES)
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@
