# tritonzoo: what a person types. `make` alone explains.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
COMPOSE ?= docker-compose
STAMP  := $(VENV)/.installed
SOAK_MINUTES ?= 3

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test test-keras soak bench-peers perf-analyzer image test-docker audit check clean

help: ## Explain the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed and $(PYTHON) is not found; install it, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || { echo "creating $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing tritonzoo with all that serving, converting and testing need (a few minutes, 2 GB)"
	$(BIN)/python -m pip install --quiet --editable '.[serve,convert,new,bench,notebooks,dev]'
	@# What the VAD is compared with. Alone: it asks for torchaudio, which it does not need here.
	$(BIN)/python -m pip install --quiet --no-deps silero-vad==6.2.3
	@touch $@

setup: $(STAMP) ## Create .venv, install, pull and convert the starter models; only what is missing
	@$(BIN)/tritonzoo pull
	@$(BIN)/tritonzoo convert

demo: setup ## Serve every pipeline, send real samples, print the answers, stop
	@$(BIN)/tritonzoo demo

serve: setup ## Serve every pipeline until Ctrl-C
	@exec $(BIN)/tritonzoo serve

test: setup ## Run every test that needs no Docker and no GPU
	$(BIN)/python -m pytest -m "not docker and not gpu"

bench-peers: setup ## Measure ours beside infinity-emb, LitServe, ... (25 minutes) and write docs/benchmarks.md
	$(BIN)/tritonzoo convert --precision fp32,int8 sentence_transformer sentiment
	$(BIN)/python -m bench.peers $(ARGS)

image: ## Build the CPU image and the edge (needs Docker); artifacts in the tree are taken along
	$(COMPOSE) build triton edge

test-docker: setup ## Run the tests that need Docker; on a bare Debian, as root, installs and starts an engine
	deploy/ci_docker.sh

audit: ## Ask PyPI for published faults of what the images install (fails where PyPI does not answer)
	@test -x .venv-audit/bin/pip-audit || { $(PYTHON) -m venv .venv-audit && .venv-audit/bin/pip install --quiet pip-audit==2.10.1; }
	.venv-audit/bin/pip-audit --strict --no-deps --disable-pip -r base_image/requirements.txt

test-keras: ## Run the tests of Keras models, in an environment of their own (TensorFlow, 1 GB)
	@test -x .venv-keras/bin/python || $(PYTHON) -m venv .venv-keras
	.venv-keras/bin/python -m pip install --quiet --editable '.[keras,serve,notebooks]' onnx 'onnxruntime==1.23.2' pytest pytest-asyncio
	.venv-keras/bin/python -m pytest tests/convert/test_onnx_from_keras.py tests/notebooks -k "keras"

soak: setup ## Ask everything of every pipeline for SOAK_MINUTES (3): no error, no growth, no drift
	@mkdir -p build
	$(BIN)/tritonzoo soak --minutes $(SOAK_MINUTES) --save build/soak.json --plot build/soak.png

perf-analyzer: $(STAMP) ## Install NVIDIA's perf_analyzer into .venv-perf, for `tritonzoo bench --generator perf_analyzer`
	bench/perf_analyzer/install.sh

check: $(STAMP) ## Lint, types, and the tree: configs, recipes, ensembles end to end
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/tritonzoo check
	$(BIN)/tritonzoo docs --check

clean: ## Remove .venv and every artifact that was made
	rm -rf $(VENV) .venv-keras .venv-audit .venv-peers .venv-perf model_repository/*/1/*.onnx model_repository/*/1/tokenizer.json \
	  model_repository/*/logs model_repository/*/artifacts.lock model_repository/*/ledger.json */*/configs
