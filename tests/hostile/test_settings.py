"""Settings: ranges of a sweep, addresses of storages, files of dask-jobqueue, and the values of a training run."""

import json
import math
import sys

from hypothesis import given
from hypothesis import strategies as st

from glassliquid import settings
from glassliquid.commands.jobs import ExportJob, ReportJob, TransferJob
from glassliquid.ensembles.job_queue import read_configuration
from glassliquid.errors import UserError
from glassliquid.parameters import from_texts
from glassliquid.physics.protocol import Protocol
from glassliquid.settings import stored
from glassliquid.sweep.space import SearchSpace
from glassliquid.sweep.storage import open_storage, refuse_password, same_database, sqlite_file
from glassliquid.training.config import TrainConfig
from tests.hostile.budget import inputs
from tests.hostile.conftest import restored
from tests.hostile.guard import Sandbox
from tests.hostile.mutate import WORDS, mutated_bytes, mutated_value, numbers, texts

MOST_MIB = 64

words = st.one_of(texts, numbers.map(str), st.sampled_from(WORDS))
lists = st.lists(words, max_size=5).map(",".join)


@given(
    name=st.sampled_from(("learning_rate", "l2", "eta_threshold")),
    low=words,
    high=words,
    colon=st.sampled_from((":", "", "::", ",")),
)
@inputs(quick=80, long=800)
def test_ranges(sandbox: Sandbox, name: str, low: str, high: str, colon: str):
    """What is accepted is a space whose every level may be trained with, or is refused when it is tried."""

    def use() -> None:
        space = from_texts(SearchSpace, {"batch_sizes": "8", f"{name}_range": f"{low}{colon}{high}"})
        for each in space.ranges:
            assert not any(math.isnan(level) for level in each.levels())
        assert space.grid(0)

    sandbox.attempt("ranges of a sweep", use, MOST_MIB)


PARSERS = {
    "batch_sizes": lambda text: from_texts(SearchSpace, {"batch_sizes": text}),
    "eta_threshold": lambda text: from_texts(TrainConfig, {"eta_threshold": text}),
    "snapshots": lambda text: from_texts(ExportJob, {"snapshots": text}),
    "liquids": lambda text: from_texts(TransferJob, {"liquids": text}),
    "models": lambda text: from_texts(TransferJob, {"model": text}),
    "since": lambda text: from_texts(ReportJob, {"since": text}),
}
dates = st.one_of(
    words,
    st.sampled_from(
        ("0001-01-01", "9999-12-31", "2026-02-30", "2026-01-01T25:00", "2026-01-01T00:00+24:00", "20260101", "2026-W01")
    ),
    st.tuples(st.integers(0, 9999), st.integers(0, 13), st.integers(0, 32)).map(
        lambda d: f"{d[0]:04}-{d[1]:02}-{d[2]:02}"
    ),
)


@given(kind=st.sampled_from(sorted(PARSERS)), text=st.one_of(lists, words, dates))
@inputs(quick=120, long=1200)
def test_lists_and_dates(sandbox: Sandbox, kind: str, text: str):
    sandbox.attempt("lists and dates", lambda: PARSERS[kind](text), MOST_MIB)


def in_double_precision(value: object) -> object:
    """A JSON value whose numbers are all in double precision, which a learning rate of 19 digits does not fit into."""
    if isinstance(value, dict):
        return {key: in_double_precision(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [in_double_precision(each) for each in value]
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) <= sys.float_info.max else value


@given(value=mutated_value(stored(TrainConfig())))
@inputs(quick=120, long=1200)
def test_settings_of_a_training(sandbox: Sandbox, value):
    """As a checkpoint has them; what is accepted is what it says, to the digits that a number has."""

    def read(value: object) -> TrainConfig:
        return settings.restored(TrainConfig, value, "The settings")

    def use() -> None:
        made = read(value)
        # What is left out has its default.
        assert in_double_precision(stored(made)) == in_double_precision({**stored(TrainConfig()), **value})
        assert read(json.loads(json.dumps(stored(made)))) == made

    sandbox.attempt("settings of a training run", use, MOST_MIB)


@given(
    value=mutated_value(stored(Protocol(particles=100, equilibration_steps=0, cooling_steps=2000, snapshots=(5, 200))))
)
@inputs(quick=60, long=600)
def test_protocols(sandbox: Sandbox, value):
    sandbox.attempt("protocols", lambda: settings.restored(Protocol, value, "The protocol"), MOST_MIB)


GOOD_QUEUE = {
    "jobqueue": {"slurm": {"cores": 4, "memory": "4GB", "queue": "long", "job-script-prologue": ["module load x"]}}
}
YAML = (
    b"jobqueue: {slurm: {cores: 1, memory: !!python/object/apply:os.system ['touch canary']}}",
    b"!!python/name:os.system",
    b"a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\njobqueue: {slurm: {cores: 2, memory: 1GB, processes: *c}}",
    b"a: &a {x: 1}\nb: &b {<<: [*a,*a,*a,*a,*a,*a,*a,*a]}\nc: &c {<<: [*b,*b,*b,*b,*b,*b,*b,*b]}\njobqueue: *c",
    b"[" * 5000,
    b"jobqueue: {slurm: {cores: 0x7fffffffffffffff, memory: 1GB}}",
    b"jobqueue: {slurm: {cores: 2, memory: 1GB, ? [a, b] : c}}",
    b"jobqueue: {slurm: {cores: 2, memory: 1GB, 5: c}}",
    b"jobqueue: {slurm: {cores: 2, memory: 1GB, job-script-prologue: 7}}",
    b"x: 2026-99-99\njobqueue: {}",
    b"\xff\xfe\x00",
    b"- \x07",
)


@given(data=st.data())
@inputs(quick=60, long=600)
def test_a_queue(sandbox: Sandbox, data: st.DataObject):
    path = sandbox.data / "queue.yaml"
    good = json.dumps(GOOD_QUEUE).encode()  # which YAML is as well
    how = data.draw(st.sampled_from(("value", "value", "bytes", "known")))
    if how == "value":
        content = json.dumps(data.draw(mutated_value(GOOD_QUEUE))).encode()
    else:
        content = data.draw(mutated_bytes(good) if how == "bytes" else st.sampled_from(YAML))
    restored(path, content)

    def use() -> None:
        system, settings = read_configuration(path)
        assert system in {"slurm", "pbs", "lsf", "sge", "oar", "moab", "htcondor", "local"}
        assert 1 <= settings["cores"] == settings["processes"]

    sandbox.attempt("dask-jobqueue files", use, MOST_MIB)


SCHEMES = (
    "sqlite",
    "sqlite+pysqlite",
    "postgresql",
    "postgres",
    "postgresql+psycopg",
    "mysql",
    "mysql+pymysql",
    "oracle",
    "mssql",
    "x",
    "os",
    "",
)
addresses = st.one_of(
    words,
    st.tuples(st.sampled_from(SCHEMES), words).map("://".join),
    st.tuples(st.sampled_from(SCHEMES), words, words).map(lambda p: f"{p[0]}://127.0.0.1:1/{p[1]}?{p[2]}={p[2]}"),
    st.tuples(st.sampled_from(("timeout", "detect_types", "uri", "mode", "check_same_thread", "factory")), words).map(
        lambda p: f"sqlite:///data/x.db?{p[0]}={p[1]}"
    ),
)


@given(address=addresses)
@inputs(quick=40, long=500)
def test_addresses_of_a_storage(sandbox: Sandbox, address: str, in_sandbox: None):
    """A database file is where its address says; so only addresses that name one in the data folder are opened here."""

    def use() -> None:
        refuse_password(address, None)
        assert same_database(address, address)
        file = sqlite_file(address)
        if file is not None and not file.resolve().is_relative_to(sandbox.data.resolve()):
            raise UserError(f"{file} would be somewhere else.")
        open_storage(address)

    sandbox.attempt("addresses of a storage", use, 128)
