# Not conda: what MLflow sources before `conda activate NAME`, to enter the virtual environment that it lies in.
conda() {
    local home
    home=$(CDPATH='' cd -P "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd) || return 1
    # Without the environment that the project asks for, the run stops here, and MLflow marks it as failed.
    "$home/bin/conda" "$@" || return 1
    VIRTUAL_ENV=$(CDPATH='' cd "$home/../.." && pwd)
    PATH="$VIRTUAL_ENV/bin:$PATH"
    export VIRTUAL_ENV PATH
    unset PYTHONHOME
}
