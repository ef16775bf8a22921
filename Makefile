# make demo   environment, stand-in hospital, app, and a URL to open
# make board  one look at the demonstration's unit, while it runs: then open the unit board from a result page
# make test   everything but what needs a missing browser, which it names
# make check  lint, types, security lint, tests, architecture: the same as CI
# make simulate  a synthetic year at a synthetic hospital, played into build/simulated
# make train  both models, from the open data (see training/README.md)
# make million  a million answers in SQLite and PostgreSQL, every reader of them timed: half an hour, eight gigabytes
# make sbom   what the app runs on, as CycloneDX JSON: build/sbom.json
# make conformance  docs/conformance.md, from the tests that cite each item
# make golden  what every face says in every state, written anew: read the diff before it is committed
# make federate  the network trained across sites, beside each site alone and all rows pooled
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
ACROSS := .venv-federated
METER  := .venv-seismometer
export EHR_PORT APP_PORT

SIMULATED ?= build/simulated

.PHONY: demo board simulate test check lint types conformance golden train federate bench million sbom peers clean

demo: $(VENV)/.run
	@exec $(BIN)/python -m demo.up

simulate: $(VENV)/.run
	$(BIN)/flask --app wsgi simulate --out $(SIMULATED)

board: $(VENV)/.run
	@$(BIN)/python -m demo.unit

test: $(VENV)/.dev
	$(BIN)/python -m pytest

peers: $(VENV)/.dev ## Medplum's own packages, and the tests against them and the other peers
	npm install --prefix tests/peers/medplum --no-save --no-audit --no-fund --no-package-lock
	$(BIN)/python -m pytest tests/peers

check: lint types test

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/bandit -q -r inference ehr governance webapp -c pyproject.toml

types: $(VENV)/.dev
	$(BIN)/mypy

conformance: $(VENV)/.dev
	$(BIN)/python -m tests.conformance

golden: $(VENV)/.dev
	$(BIN)/python -m tests.webapp.cases
	$(BIN)/python -m tests.webapp.test_bundle_to_faces

train: $(VENV)/.train
	$(BIN)/python -m training run --task all

federate: $(VENV)/.train $(ACROSS)/.ready
	$(BIN)/python -m training federate

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.hook
	$(BIN)/python -m benchmarks.batch
	$(BIN)/python -m benchmarks.gpu --date $$(date -u +%F)

million: $(VENV)/.dev
	$(BIN)/python -m benchmarks.ledger --out benchmarks/results/ledger-$$(date -u +%F).json --table benchmarks/README.md

# What the app runs on, by version and licence, as CycloneDX.
sbom: $(VENV)/.dev
	$(BIN)/python .ci/sbom.py $(BIN)/python build/sbom.json

$(BIN)/python:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null || { echo "Python 3.11 or newer is needed, with venv: install it, or say where with 'make PYTHON=/path/to/python3.11'"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt requirements-train.txt requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/.run

$(VENV)/.train: requirements-train.txt requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-train.txt
	@touch $@

# Epic's seismometer, to prove that it reads what is exported for it.
$(METER)/.ready: requirements-seismometer.txt | $(BIN)/python
	$(BIN)/python -m venv $(METER)
	$(METER)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-seismometer.txt
	@touch $@

# An environment of its own: Flower pins protobuf and rich below what the app runs on.
$(ACROSS)/.ready: requirements-federated.txt | $(BIN)/python
	$(BIN)/python -m venv $(ACROSS)
	$(ACROSS)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-federated.txt
	@touch $@

clean:
	rm -rf $(VENV) $(ACROSS) $(METER) var build .pytest_cache .mypy_cache .ruff_cache .hypothesis
