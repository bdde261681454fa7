"""What a person sees of a command while it runs, on a screen and in a log file."""

from pathlib import Path

from mlflow import MlflowClient

from tests.commands.conftest import Command, run_of

SETTINGS = {"batch_size": 14, "iterations": 2, "batches_per_iteration": 2, "eval_every": 1}


def test_a_training_run_says_what_it_trains_and_where_its_page_is(
    mlflow_run: Command, command: Command, own_dir: Path, client: MlflowClient, tracking_uri: str
):
    done = mlflow_run("train", data_dir=own_dir, register_as="display-test", **SETTINGS)
    run = run_of(done, client)
    lines = done.stdout.splitlines()
    place = f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    assert lines[0] == f"Page: mlflow ui --backend-store-uri {tracking_uri}, then http://127.0.0.1:5000/{place}"
    # 28 images of 64 pixels with three colours.
    assert lines[1] == "Training compact on data_liquid5 (28 training and 6 validation samples, 0.344 MB) on cpu."
    multiply_adds = 16**2 * 16 * 48 + 8**2 * 24 * (16 * 9) + 8**2 * 24 * (24 * 9) + 24 * 2
    assert lines[2].startswith("Network: 9,586 parameters (0.153 MB ")
    assert f"{multiply_adds / 1e6:.3g} million multiply-adds" in lines[2]
    assert lines[3].startswith("Best validation accuracy ")
    assert len(lines) == 4
    # MLflow's own remarks do not stand between them, and what took less than ten seconds has no bar in a log.
    assert "Created version" not in done.stderr
    assert "Successfully registered" not in done.stderr
    assert "\r" not in done.stderr + done.stdout
    assert client.get_registered_model("display-test").description

    done = command("evaluate", model=run.info.run_id, dataset="data_liquid5", data_dir=own_dir)
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("display-test v1, trained on data_liquid5, on data_liquid5: validation ")
    assert "of 6, 95 % interval" in last
