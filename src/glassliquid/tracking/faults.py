"""What the error of a tracking or artifact store tells, in words: the reason first, and what to do about it."""

import re
from collections.abc import Iterator

from glassliquid.errors import UserError

MOST_CHARACTERS = 300
"""Of what somebody else's error says."""

_CLIENTS = {"requests", "urllib3", "boto3", "botocore", "s3transfer", "azure"}
"""Packages whose errors are those of a store that they talk to ..."""
_CLIENTS_OF_GOOGLE = ("google.api_core", "google.auth", "google.cloud", "google.resumable_media")
"""... and those of one whose other packages do something else."""
_DRIVERS = re.compile(r"boto3|botocore|google(\.cloud(\.storage)?)?|azure(\.\w+)*")
"""Modules that MLflow needs for a store and does not bring."""
_API, _SCHEMA = "API request to", "out-of-date database schema"
_DATABASE = re.compile(r"OperationalError\) ([^\n]*)")
"""What SQLAlchemy says of a file that is full, locked or read-only, and of a server that is gone."""
_CAUSE = re.compile(r"\(Caused by (.*)\)", re.DOTALL)
_QUOTED = re.compile(r"\"((?:[^\"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'")
_STATUS = re.compile(r"failed with error code (\d{3})|\b(\d{3}) (?:Client|Server) Error|HTTPStatusCode.{1,3}(\d{3})")
_ANSWER = re.compile(r"Response (?:body: '|text: )(.+?)'?$", re.DOTALL)
_MEANINGS = {
    "401": "401, wrong user name or password: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
    "403": "403, permission denied: ask the server's administrator",
    "413": "413, a proxy in front of it refuses requests of that size: raise its limit, in nginx client_max_body_size",
    "507": "507, its disk is full",
}


def reason_of(error: BaseException) -> str | None:
    """Why a store did not take a call or answer it; None if the error tells of something else.

    Whatever the client of an object store raises counts, also where MLflow has wrapped it in an error of its own.
    """
    for each in _chain(error):
        if (reason := _reason(each)) is not None:
            return reason
    return None


def is_refused(error: BaseException) -> bool:
    """Whether a tracking server with logins refuses a request; it does so also for a run or a model that does not exist.

    Of an object store that refuses, MLflow's error has the same code.
    """
    from mlflow.exceptions import MlflowException

    is_denied = isinstance(error, MlflowException) and error.error_code == "PERMISSION_DENIED"
    return is_denied and str(error).startswith(_API)


def shortened(text: str) -> str:
    """What somebody else's error says, in one line without credentials, cut between two words where it is long."""
    line = without_credentials(" ".join(text.split()))
    if len(line) <= MOST_CHARACTERS:
        return line
    return line[:MOST_CHARACTERS].rpartition(" ")[0] + " ..."


def without_credentials(text: str) -> str:
    """A text without the user names and passwords of the addresses in it, which end on screens, pages and in runs."""
    return re.sub(r"://[^/\s]*@", "://", text)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what caused it. Of an error that is a sentence already, nothing but itself."""
    each: BaseException | None = error
    seen: set[int] = set()
    while each is not None and id(each) not in seen and not isinstance(each, UserError):
        seen.add(id(each))
        yield each
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)


def _reason(error: BaseException) -> str | None:
    from mlflow.exceptions import MlflowException

    text = str(error)
    if isinstance(error, ModuleNotFoundError) and _DRIVERS.fullmatch(error.name or ""):
        return f"it needs the package {error.name}, which is not installed: pip install {_package(error.name or '')}"
    if isinstance(error, MlflowException):
        if found := _DATABASE.search(text):
            return shortened(found.group(1))
        if _SCHEMA in text:
            return "its database is from an older MLflow: back it up, then run `mlflow db upgrade` with its address"
        return _of_request(text) if text.startswith(_API) else None
    module = type(error).__module__
    if module.partition(".")[0] in _CLIENTS or module.startswith(_CLIENTS_OF_GOOGLE):
        return _of_request(text or type(error).__name__)
    return None


def _of_request(text: str) -> str:
    """The reason of a request that failed: its meaning, or what is said last of all, the cause of the cause."""
    status = _STATUS.search(text)
    code = next(filter(None, status.groups())) if status else ""
    if meaning := _MEANINGS.get(code):
        answer = _ANSWER.search(text)
        # Who refuses says why, if not with a page.
        is_telling = code == "403" and answer is not None and "<" not in answer.group(1)
        return shortened(f"{meaning} ({answer.group(1)})") if is_telling and answer else meaning
    cause = _CAUSE.search(text)
    if cause is None:
        return shortened(text)
    quoted = [first or second for first, second in _QUOTED.findall(cause.group(1))]
    # `HTTPConnection(host='127.0.0.1', port=5000): Failed to ...`, as urllib3 says it.
    said = re.sub(r"^<?[\w.]+\(.*?\)>?: ", "", quoted[-1]) if quoted else cause.group(1)
    asked = re.search(r"https?://[^/\s]+", text)
    return shortened(f"{said}, at {asked.group(0)}" if asked else said)


def _package(module: str) -> str:
    return {"google": "google-cloud-storage", "azure": "azure-storage-blob"}.get(module.partition(".")[0], "boto3")
