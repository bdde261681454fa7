"""What to tell a user who names a run or a model that the tracking store does not have, or has lost."""

import re
from typing import Any

from glassliquid.errors import UserError, did_you_mean, listed
from glassliquid.tracking.faults import is_refused, without_credentials
from glassliquid.tracking.registry import version_at
from glassliquid.tracking.store import raise_unless_absent


def no_run(run_id: str) -> UserError:
    """The error for a run that is not in the store, or was deleted on the MLflow page."""
    from mlflow import MlflowClient, get_tracking_uri
    from mlflow.exceptions import MlflowException

    try:
        MlflowClient().get_run(run_id)
    except MlflowException as error:
        raise_unless_absent(error)
        store = without_credentials(get_tracking_uri())
        return UserError(
            f"There is no run {run_id!r}{_readable(error)} in the tracking store {store}: check the id on the MLflow page."
        )
    restore = f"`mlflow runs restore --run-id {run_id}`"
    return UserError(f"The run {run_id} was deleted: restore it with {restore}, or name its model as models:/...")


def no_model(name: str, error: BaseException) -> UserError:
    """The error for a `models:/...` that cannot be loaded: it was never there, was deleted, or has lost its files.

    Args:
        name: what the user typed.
        error: what MLflow said of it.
    """
    from mlflow import get_tracking_uri

    version = _version(name)
    model_id = name.removeprefix("models:/") if version is None else str(version.source).removeprefix("models:/")
    logged = _logged_model(model_id)
    label = "" if version is None else f" ({version.name} v{version.version})"
    if logged is not None:
        return UserError(
            f"The files of the model {name!r}{label} are not in {without_credentials(logged.artifact_location)} any more: bring "
            "them back, choose another model, or train one."
        )
    if version is not None:
        # The next training run gives the alias to the best model that is left.
        gone = "does not exist any more, or you may not read it" if is_refused(error) else "was deleted"
        return UserError(f"The model {name!r}{label} {gone}: choose another version{_known(name)}, or train again.")
    known = _known(name)
    remedy = "choose one of these, or train one" if known else "train one, or name another store in MLFLOW_TRACKING_URI"
    store = without_credentials(get_tracking_uri())
    return UserError(
        f"There is no model {name!r}{_readable(error)} in the tracking store {store}{known or ', which has no registered models'}: {remedy}."
    )


def _readable(error: BaseException) -> str:
    """What is missing on a server with logins may only be hidden from this user."""
    return " that you may read" if is_refused(error) else ""


def _version(name: str) -> Any:
    """MLflow's version that `models:/NAME@ALIAS` or `models:/NAME/VERSION` names; None if there is none."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    registered, _, alias = name.removeprefix("models:/").partition("@")
    if alias:
        return version_at(registered, alias)
    registered, _, number = registered.rpartition("/")
    try:
        return MlflowClient().get_model_version(registered, number)
    except MlflowException as error:
        raise_unless_absent(error)
        return None


def _logged_model(model_id: str) -> Any:
    """MLflow's logged model of an id; None if there is none, or it was deleted."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        return MlflowClient().get_logged_model(model_id)
    except MlflowException as error:
        raise_unless_absent(error)
        return None


def _known(name: str) -> str:
    """What the registry has, and the nearest of it; empty if it has nothing."""
    from mlflow import MlflowClient

    client = MlflowClient()
    registered = re.split(r"[/@]", name.removeprefix("models:/"))[0]
    models = {model.name: model for model in client.search_registered_models()}
    if not models:
        return ""
    if registered not in models:
        return f"{did_you_mean(registered, models)} (registered models: {listed(sorted(models))})"
    versions = sorted((v.version for v in client.search_model_versions(f"name='{registered}'")), key=int)
    aliases = sorted(client.get_registered_model(registered).aliases)
    asked = name.removeprefix(f"models:/{registered}")[1:]
    near = "" if asked in aliases else did_you_mean(asked, aliases)
    return f"{near} ({registered} has the versions {listed(versions)} and the aliases {listed(aliases)})"
