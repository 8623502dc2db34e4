# `make help` lists what there is. Python: another interpreter by `make PYTHON=python3.12 …`.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.DEFAULT_GOAL := help
.PHONY: help run test test-fast test-oracle lint format bench docs check clean system

help:  ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/demo.done: requirements.txt requirements-demo.txt
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-demo.txt
	touch $@

$(VENV)/dev.done: requirements-dev.txt $(VENV)/demo.done
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

run: $(VENV)/demo.done  ## The demo team on http://localhost:8501
	exec $(RUN) -m services run --demo

system:  ## Install the system packages that the tests need (Debian; elsewhere it names them)
	scripts/system-packages.sh

test: $(VENV)/dev.done system  ## Every test, in a real browser and with the real tools too
	$(RUN) -m pytest -n auto --dist loadfile

test-fast: $(VENV)/dev.done  ## The quick tests only
	$(RUN) -m pytest -n auto --dist loadfile -m "not browser and not terraform and not postgres and not slow"

test-oracle: $(VENV)/dev.done  ## The product's BigQuery queries, held against an independent emulator
	tests/oracle/setup.sh
	$(RUN) -m pytest tests/oracle/compare.py

lint: $(VENV)/dev.done  ## ruff, mypy and the import contracts
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy services
	$(VENV)/bin/lint-imports

format: $(VENV)/dev.done  ## Format the code
	$(RUN) -m ruff format .

bench: $(VENV)/dev.done  ## The benchmarks, as ratios measured in one run
	$(RUN) -m bench

docs: $(VENV)/dev.done  ## Write docs/reference anew from the code
	$(RUN) -m services.reference

check: lint test  ## What CI runs

clean:  ## Remove the environment and the demo's data
	rm -rf $(VENV) .throughline
