# Everything works on a fresh machine: each target sets up .venv first, with Python 3.11 or newer and pip.
# The user's pip settings (index, proxy, cache, find-links) hold. To choose the interpreter: make venv PYTHON=python3.12

# No rules but those below: a built-in one would make tools/no_conda/conda from conda.sh beside it.
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:

ARGS ?=
# One test process for each core. For a single test: make test PYTEST_ARGS="tests/test_x.py -k name"
# Tests that share something slow to make stay together in one process (loadgroup).
PYTEST_ARGS ?= -n logical --dist loadgroup

PYTHON ?=
export PYTHON

# Importing mlflow and torch takes 12 s without compiled files and 4 s with them; each step of a run does it again.
unexport PYTHONDONTWRITEBYTECODE

ACTIVATE = . .venv/bin/activate

.PHONY: help
help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

.PHONY: venv
venv: .venv/.installed  ## Set up .venv with the packages pinned in requirements.lock

# The times are those of docs/BENCHMARKS.md.
.PHONY: demo-plan
demo-plan:
	@echo "The demo takes one and a half to two minutes on two idle cores (LAMMPS: two and a half), less if some of it is there already:"
	@echo "  1. set up .venv                        20 s, and the first time the download of its packages"
	@echo "  2. make_data                           28 s with the project's own engine, 75 s with LAMMPS: 400 simulations, 800 images"
	@echo "  3. train, evaluate, transfer_eval      1 min: the network, its test, and where it stops working"
	@echo

.PHONY: demo
demo: demo-plan .venv/.installed  ## Run the whole chain on small simulations (ARGS="-P seed=2" are handed to mlflow run)
	$(ACTIVATE) && mlflow run . -e main --env-manager local $(ARGS)
	@echo
	@echo "Compare the runs in the MLflow page:  . .venv/bin/activate && mlflow ui"

.PHONY: test
test: lint  ## Run the linters, then the quick tests
	$(ACTIVATE) && python -m pytest $(PYTEST_ARGS)

.PHONY: test-slow
test-slow: .venv/.installed-test  ## Run the tests that take more than ten seconds
	$(ACTIVATE) && python -m pytest -m slow $(PYTEST_ARGS)

SEED ?= 1

# What a server's absence costs a training is measured alone, after the rest.
.PHONY: faults
faults: .venv/.installed-test  ## Kill the commands 200 times, fill the disk, stop the server (SEED=2 for other moments)
	rm -rf .faults && mkdir .faults
	@$(ACTIVATE); export FAULTS_SEED=$(SEED) FAULTS_FIGURES=$(CURDIR)/.faults; failed=0; \
	python -m pytest -m "faults and not short" -n logical --dist worksteal --durations=8 tests/faults --ignore tests/faults/test_server_outage.py || failed=1; \
	python -m pytest -m "faults and not short" --durations=3 tests/faults/test_server_outage.py || failed=1; \
	python -m tests.faults.figures .faults; exit $$failed

# One process: memory is measured, and the deadline of an input must not depend on what runs beside it.
.PHONY: hostile
hostile: .venv/.installed-test  ## Give the commands and readers 41,000 bad and odd inputs (SEED=2 for others)
	rm -rf .hostile && mkdir .hostile
	@$(ACTIVATE); export HOSTILE_SEED=$(SEED) HOSTILE_FIGURES=$(CURDIR)/.hostile; failed=0; \
	python -m pytest -m "slow or not slow" -n 0 tests/hostile || failed=1; \
	python -m tests.hostile.figures .hostile; exit $$failed

.PHONY: lint
lint: .venv/.installed-test  ## Check style, formatting, types, spelling and English
	$(ACTIVATE) && ruff check && ruff format --check && mypy && codespell && python tools/prose.py && python tools/lock.py --check && python tools/mlproject.py --check

.PHONY: lock
lock: .venv/.installed  ## Choose the newest versions pyproject.toml allows; write both lock files and conda.yaml
	$(ACTIVATE) && python tools/lock.py

.PHONY: clean-venv
clean-venv:  ## Remove .venv
	rm -rf .venv

# A virtual environment holds its own path. When the folder was moved or copied, or the Python below it was
# removed, the stamp does not count and tools/make_venv.sh starts afresh.
ifneq ($(shell .venv/bin/python -c "print(open('.venv/.installed').read().strip())" 2>/dev/null),$(CURDIR))
.PHONY: .venv/.installed
endif

.venv/.installed: requirements.lock pyproject.toml tools/make_venv.sh tools/no_conda/conda $(wildcard tools/no_conda/*.*)
	@sh tools/make_venv.sh

.venv/.installed-test: requirements-test.lock .venv/.installed
	@sh tools/make_venv.sh test
