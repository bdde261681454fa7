"""tools/install.py: the user's pip settings hold, whichever program installs."""

import os
import subprocess
import venv
import zipfile
from pathlib import Path

import pytest

from tools.install import as_uv, pip_settings

ROOT = Path(__file__).parents[1]


def test_settings_of_the_environment_win_over_those_of_files():
    listing = (
        "global.index-url='https://one.example/simple'\nglobal.find-links='/a /b'\ninstall.no-index='no'\n"
        ":env:.index-url='https://two.example/simple'\ndownload.platform='any'\n"
    )
    assert pip_settings(listing) == {
        "index-url": "https://two.example/simple",
        "find-links": "/a /b",
        "no-index": "no",
    }


def test_the_settings_are_those_of_uv_under_other_names():
    found = as_uv({
        "index-url": "https://one.example/simple", "extra-index-url": "file:///a file:///b", "no-index": "true",
        "cert": "/certificates", "proxy": "http://proxy.example:3128", "progress-bar": "off",
    })  # fmt: skip
    assert found is not None
    options, variables = found
    assert options[2:] == [
        *("--index-url", "https://one.example/simple"),
        *("--extra-index-url", "file:///a", "--extra-index-url", "file:///b", "--no-index"),
    ]
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://proxy.example:3128")
    assert variables == {"SSL_CERT_FILE": "/certificates", **proxies}


def test_a_setting_that_uv_does_not_know_leaves_the_work_to_pip():
    assert as_uv({"require-hashes": "true"}) is None


@pytest.mark.slow
def test_without_uv_pip_installs(tmp_path: Path):
    """No index, and a folder that holds one package but no uv."""
    wheel = tmp_path / "links" / "pebble-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    about = "pebble-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("pebble.py", "WEIGHT = 3\n")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: pebble\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheel.parent)}

    def install(package: str) -> int:
        command = [str(python), str(ROOT / "tools" / "install.py"), package]
        return subprocess.run(command, env=plain | settings, check=False).returncode

    assert install("pebble") == 0
    weight = subprocess.run([str(python), "-c", "import pebble; print(pebble.WEIGHT)"], capture_output=True, check=True)
    assert weight.stdout == b"3\n"
    assert install("boulder") != 0
