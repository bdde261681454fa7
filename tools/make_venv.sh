#!/bin/sh
# Set up .venv, or bring it up to date:  make_venv.sh        what requirements.lock pins, and this project
#                                        make_venv.sh test   what requirements-test.lock pins, on top
# Safe to interrupt: a .venv that was left half-made is made again by the next call.
set -eu
CDPATH='' cd "$(dirname "$0")/.."

fail() { echo "$*" >&2; exit 1; }

# Installing into a virtual environment is never a --user installation, whatever pip's settings say.
export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1
# uv, or pip where uv does not serve.
install() { .venv/bin/python tools/install.py "$@"; }

find_python() {
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3.14 python3 python}; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then
            "$candidate" -c 'import ensurepip, venv' 2>/dev/null ||
                fail "$candidate lacks its venv module: install it (on Debian and Ubuntu the package $candidate-venv)."
            echo "$candidate"
            return
        fi
    done
    fail "No Python from 3.11 to 3.14 was found: install one, or name it with 'make venv PYTHON=/path/to/python3.11'."
}

if [ "${1:-}" = test ]; then
    echo "Installing the test tools into .venv"
    install -r requirements-test.lock -c requirements.lock
    cp .venv/.installed .venv/.installed-test
    exit
fi

if [ -e .venv/.incomplete ] ||
    ! .venv/bin/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    { [ -e .venv/.installed ] && [ "$(cat .venv/.installed)" != "$PWD" ]; }; then
    python=$(find_python)
    echo "Making .venv with $("$python" --version)"
    rm -rf .venv
    mkdir .venv
    touch .venv/.incomplete
    # The installation of uv brings pip along in half the time that the module venv takes to unpack one.
    { "$python" -m venv --without-pip .venv &&
        "$python" -m pip --python .venv/bin/python install -qq --no-compile pip --only-binary uv uv 2>/dev/null; } ||
        "$python" -m venv .venv
fi
touch .venv/.incomplete

echo "Installing what requirements.lock pins into .venv: $(grep -c == requirements.lock) packages, about 2 GB"
# With dependencies: the lock is complete but for the CUDA libraries, which torch itself pins where it needs them.
install -r requirements.lock
# Editable, so that notebooks can import glassliquid. Its needs are there already, the build tool included.
install --no-deps --no-build-isolation --editable .
.venv/bin/python tools/no_conda/install.py

# What a first start does once is done here, side by side: modules are compiled as they are imported, which shows too that the
# environment works; the engine is compiled; the database of runs is made, which two `mlflow run` that begin at once would spoil.
unset PYTHONDONTWRITEBYTECODE
.venv/bin/python -c 'from glassliquid.physics.engines import prepare; prepare()' &
engine=$!
.venv/bin/python -c 'import torch._dynamo, matplotlib.backends.backend_agg, glassliquid.commands.transfer_eval' &
torch=$!
# In the background they do not hear Ctrl-C, and would write into a .venv that is being removed.
trap 'kill $engine $torch 2>/dev/null' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
env -u MLFLOW_TRACKING_URI .venv/bin/python -c 'import mlflow.cli, mlflow.projects
from glassliquid.tracking.store import connect; connect()' ||
    fail "mlflow cannot be imported, or its database mlflow.db cannot be made; the lines above say why."
wait $torch || fail "torch was installed but cannot be imported; the lines above say why."
# Data can be imported without.
wait $engine || echo "No engine can simulate here; the lines above say why." >&2
trap - EXIT INT TERM

rm .venv/.incomplete
pwd >.venv/.installed
