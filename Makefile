# The few verbs that a person types. Each makes .venv when it is missing or its lock has changed.

PYTHON ?= python3
BIN := .venv/bin
LOCK := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet

# What benchmarks stand beside, in environments of their own.
# The AWS sample's image has scikit-learn, which XGBoost imports where it is. MLServer's workers need the older uvloop.
SERVERS := bentoml fastapi flask gunicorn mlserver numpy pandas scikit-learn scipy 'uvicorn[standard]' 'uvloop<0.22' xgboost-cpu
RECOMMENDERS := scikit-surprise 'numpy<2' catboost lightgbm myfm
LEARNERS := catboost lightgbm numpy xgboost-cpu

.PHONY: setup run test test-sdk check bench bench-accuracy bench-recommending bench-sets bench-features bench-history bench-serving bench-training \
	soak image specification lock clean
.DEFAULT_GOAL := run

setup: .venv/.installed

.venv/.dependencies: requirements-dev.txt container/requirements-build.txt
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --require-hashes -r container/requirements-build.txt
	$(BIN)/pip install --quiet --require-hashes --no-deps -r requirements-dev.txt
	touch $@

# Our own package comes last: sagemaker-training brings a `train` script too, and ours must be the one that stays.
.venv/.installed: .venv/.dependencies pyproject.toml $(wildcard src/*/*.[ch] src/*/*/*.[ch])
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

run: setup
	$(BIN)/python -m container.demo

image: setup
	$(BIN)/python -m container.image

test: setup
	$(BIN)/python -m container.engine
	$(BIN)/pytest

# AWS's SDKs can share an environment neither with each other nor with us.
test-sdk: setup .venv-sdk2/.installed .venv-sdk3/.installed
	$(BIN)/python -m container.engine
	$(BIN)/pytest tests/sdk/local_mode.py

.venv-sdk%/.installed: tests/sdk/requirements-v%.txt
	$(PYTHON) -m venv --clear .venv-sdk$*
	.venv-sdk$*/bin/pip install --quiet --require-hashes --no-deps -r $<
	touch $@

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m benchmarks.tutorial

bench-accuracy: setup
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m benchmarks.accuracy

bench-features: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.features

bench-history: setup
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m benchmarks.history

# Some servers need other versions of what ours needs, and Surprise another numpy.
bench-serving: setup .venv-servers/.installed
	$(BIN)/python -m benchmarks.serving
	$(BIN)/python -m benchmarks.trees --base-dir build/bench/serving/model

bench-recommending: setup .venv-recommenders/.installed
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m benchmarks.recommending

bench-sets: setup .venv-recommenders/.installed .venv-sets/.installed
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m benchmarks.sets

bench-training: setup .venv-learners/.installed
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m benchmarks.training

soak: setup
	$(BIN)/python -m benchmarks.soak

.venv-servers/.installed .venv-recommenders/.installed .venv-learners/.installed .venv-sets/.installed: .venv-%/.installed: benchmarks/requirements-%.txt
	$(PYTHON) -m venv --clear .venv-$*
	.venv-$*/bin/pip install --quiet --require-hashes --no-deps -r $<
	touch $@

# The launcher's own copy of what the job declares; a test says when it is behind.
specification: setup
	$(BIN)/python -m train.specification > launcher/training.json.new
	mv launcher/training.json.new launcher/training.json
	$(BIN)/python -m train.hyperparameter_table docs/training.md

lock: setup
	$(LOCK) pyproject.toml --extra image --no-emit-package pip --output-file container/requirements.txt
	$(LOCK) pyproject.toml --extra dev --output-file requirements-dev.txt
	printf 'sagemaker[local]==2.*\n' | $(LOCK) - --output-file tests/sdk/requirements-v2.txt
	printf 'sagemaker==3.*\n' | $(LOCK) - --output-file tests/sdk/requirements-v3.txt
	printf '%s\n' $(RECOMMENDERS) | $(LOCK) - --output-file benchmarks/requirements-recommenders.txt
	printf '%s\n' $(LEARNERS) | $(LOCK) - --output-file benchmarks/requirements-learners.txt
	{ printf 'rdata\n' | $(LOCK) -; printf 'recbole\n' | $(LOCK) --no-deps -; } > benchmarks/requirements-sets.txt
	printf '%s\n' $(SERVERS) | $(LOCK) - --output-file benchmarks/requirements-servers.txt
	printf 'setuptools>=77\nwheel>=0.45\n' | $(LOCK) - --output-file container/requirements-build.txt

clean:
	rm -rf .venv .venv-* build dist src/*.egg-info src/*/*.so src/*/*/*.so .mypy_cache .ruff_cache \
		.pytest_cache .hypothesis
