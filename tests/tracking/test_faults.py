"""Errors of stores, as their clients raise them, and what is said of them."""

import subprocess
import sys

import pytest
from mlflow.exceptions import MlflowException

from glassliquid.errors import UserError
from glassliquid.tracking.faults import MOST_CHARACTERS, reason_of, shortened, without_credentials

POOL = "HTTPSConnectionPool(host='tracking.group', port=443): Max retries exceeded with url: /api/2.0/mlflow/runs/get?run_id=0"


def of_request(rest: str) -> MlflowException:
    return MlflowException(f"API request to https://tracking.group/api/2.0/mlflow/runs/get {rest}")


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        (
            f"failed with exception {POOL} (Caused by SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] "
            "certificate verify failed: self-signed certificate (_ssl.c:1006)')))",
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006), at "
            "https://tracking.group",
        ),
        (
            f"failed with exception {POOL} (Caused by ResponseError('too many 500 error responses'))",
            "too many 500 error responses, at https://tracking.group",
        ),
        (
            f"failed with exception {POOL} (Caused by NewConnectionError(\"HTTPSConnection(host='tracking.group', port=443): "
            'Failed to establish a new connection: [Errno 111] Connection refused"))',
            "Failed to establish a new connection: [Errno 111] Connection refused, at https://tracking.group",
        ),
    ],
)
def test_the_cause_stands_first_however_long_the_rest_is(rest: str, reason: str):
    assert reason_of(of_request(rest)) == reason


@pytest.mark.parametrize(
    ("code", "named"),
    [
        (401, "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
        (403, "permission denied: ask the server's administrator"),
        (413, "client_max_body_size"),
    ],
)
def test_what_a_status_asks_for_is_named(code: int, named: str):
    from requests.exceptions import HTTPError

    path = "/api/2.0/mlflow/runs/get"
    body = MlflowException(f"API request to endpoint {path} failed with error code {code} != 200. Response body: ''")
    assert named in reason_of(body)
    assert named in reason_of(HTTPError(f"{code} Client Error: Whatever for url: http://tracking.group{path}"))


def test_errors_of_an_object_stores_client_count_and_no_others():
    exceptions = pytest.importorskip("botocore.exceptions", reason="boto3 is not installed")
    from boto3.exceptions import S3UploadFailedError

    assert reason_of(exceptions.NoCredentialsError()) == "Unable to locate credentials"
    refused = exceptions.ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, "PutObject")
    assert "AccessDenied" in reason_of(refused)
    upload = S3UploadFailedError("Failed to upload /tmp/x to glassliquid/0/x: An error occurred (NoSuchBucket)")
    assert reason_of(upload) == "Failed to upload /tmp/x to glassliquid/0/x: An error occurred (NoSuchBucket)"
    try:
        try:
            raise exceptions.EndpointConnectionError(endpoint_url="http://127.0.0.1:1/bucket")
        except exceptions.EndpointConnectionError as error:
            raise MlflowException("Download failed") from error
    except MlflowException as wrapped:
        assert "http://127.0.0.1:1/bucket" in reason_of(wrapped)
    # A sentence that was made of such an error is one already.
    sentence = UserError("There is no such model.")
    sentence.__cause__ = exceptions.NoCredentialsError()
    for other in (
        sentence,
        MlflowException("No such run"),
        ValueError("403 Client Error"),
        ModuleNotFoundError("torch"),
    ):
        assert reason_of(other) is None


@pytest.mark.parametrize(
    ("package", "make"),
    [
        ("google.api_core.exceptions", "Forbidden('no')"),
        ("google.auth.exceptions", "DefaultCredentialsError('no')"),
        ("azure.core.exceptions", "ServiceRequestError('no')"),
    ],
)
def test_so_do_those_of_other_clouds(package: str, make: str):
    module = pytest.importorskip(package, reason="the client of that cloud is not installed")
    assert "no" in reason_of(eval(make, vars(module)))


@pytest.mark.parametrize(("module", "package"), [("boto3", "boto3"), ("google.cloud", "google-cloud-storage")])
def test_a_client_that_is_not_installed_is_named(module: str, package: str):
    program = f"import sys; sys.modules[{module!r}] = None\nimport {module}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError" in done.stderr
    assert f"pip install {package}" in reason_of(ModuleNotFoundError(f"No module named {module!r}", name=module))


def test_an_old_database_is_to_be_upgraded():
    error = MlflowException("Detected out-of-date database schema (found version a, but expected b). Take a backup ...")
    assert "mlflow db upgrade" in reason_of(error)


def test_what_is_long_is_cut_between_words():
    said = shortened("word " * 200)
    assert len(said) <= MOST_CHARACTERS + len(" ...")
    assert said.endswith("word ...")


@pytest.mark.parametrize("password", ["hidden", "hid@den", "h%2Fidden"])
def test_a_password_is_left_out_whatever_it_holds(password: str):
    said = without_credentials(f"API request to https://me:{password}@tracking.group/api failed")
    assert said == "API request to https://tracking.group/api failed"
