# The commands of a developer; .ci/run calls the same ones.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# tests that share a SLURM go to one worker; PARALLEL= runs one test after the other
PARALLEL ?= --numprocesses auto --dist loadgroup
# short: it holds sockets
CLUSTER ?= /tmp/ensnare-slurm-$(shell id -u)
# the environment first: programs started by a study see its Python
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: run install check unit test test-full cluster-start cluster-stop docs clean

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
	python tests/plain_words.py

## the tests of single modules: no whole study, no cluster (3 minutes)
unit: install
	pytest $(PARALLEL) -m "not full and not slow" tests/unit

## the tests of every day, whole studies and a real SLURM among them (20 minutes)
test: install
	pytest $(PARALLEL) -m "not full"

## all tests, also those that take long
test-full: install
	pytest $(PARALLEL)

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
