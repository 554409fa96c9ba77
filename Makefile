# The commands of a developer; .ci/run calls the same ones.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# short: it holds sockets
CLUSTER ?= /tmp/ensnare-slurm-$(shell id -u)
# the environment first: programs started by a study see its Python
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: run install check test test-full cluster-start cluster-stop docs clean

## run the default study on this machine; results/beam/report.html
run: install
	snakemake --profile local

## make the environment, once and after each change of the requirements
install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

## formatting, types, rules, schema and docs in sync
check: install
	ruff format --check
	ruff check
	mypy
	snakefmt --check Snakefile workflow
	snakemake --lint --profile local
	python -m ensnare.study.docs --check

## the tests (about half an hour)
test: install
	pytest -m "not full"

## all tests, also those that take long
test-full: install
	pytest

## a real SLURM on this machine to try things on; prints what to export
cluster-start: install
	python tests/cluster/slurm_cluster.py start $(CLUSTER)

cluster-stop: install
	python tests/cluster/slurm_cluster.py stop $(CLUSTER)

## write the schema and config/README.md from the study model
docs: install
	python -m ensnare.study.docs

## remove the environment and all results
clean:
	rm -rf $(VENV) .snakemake results .pytest_cache .mypy_cache .ruff_cache
