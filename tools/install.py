"""Install packages into this Python's environment, as pip would: `python tools/install.py -r requirements.lock`.

uv does it in a fifth of the time (docs/BENCHMARKS.md). pip does it wherever uv cannot be had, fails, or would not follow
one of the user's pip settings (pip.conf, PIP_ variables): their index, proxy and certificates count for both.
"""

import importlib.util
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence

FLAGS = {
    "index-url": "--index-url",
    "extra-index-url": "--extra-index-url",
    "find-links": "--find-links",
    "constraint": "--constraint",
    "trusted-host": "--allow-insecure-host",
}
"""Settings of pip with one or more values, which uv knows under other names."""
SWITCHES = {"no-index": "--no-index", "no-cache-dir": "--no-cache"}
VARIABLES = {
    "cert": ("SSL_CERT_FILE",),
    "proxy": ("HTTP_PROXY", "HTTPS_PROXY"),
    "timeout": ("UV_HTTP_TIMEOUT",),
    "default-timeout": ("UV_HTTP_TIMEOUT",),
}
"""Settings that uv takes from the environment."""
IRRELEVANT = {
    "break-system-packages",
    "cache-dir",
    "disable-pip-version-check",
    "no-color",
    "no-compile",
    "no-input",
    "no-warn-script-location",
    "progress-bar",
    "quiet",
    "require-virtualenv",
    "retries",
    "root-user-action",
    "user",
    "verbose",
}
"""Settings that do not change what is installed into a virtual environment, nor whether it can be fetched."""


def pip_settings(listing: str) -> dict[str, str]:
    """Settings that hold for `pip install`, by name, from what `pip config list` prints: the environment's win over a file's."""
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if section in found:
            found[section][name] = shlex.split(value)[0] if value else ""
    return {**found["global"], **found["install"], **found[":env:"]}


def as_uv(settings: Mapping[str, str]) -> tuple[list[str], dict[str, str]] | None:
    """The options and environment of uv that mean the same as pip's settings; None if one has no counterpart."""
    # pip takes the best version of all indexes, uv by default only looks at the first that has the package.
    options, variables = ["--index-strategy", "unsafe-best-match"], {}
    for name, value in settings.items():
        if name in FLAGS:
            options += [part for each in value.split() for part in (FLAGS[name], each)]
        elif name in SWITCHES:
            options += [SWITCHES[name]] if value.lower() in ("1", "true", "yes", "on") else []
        elif name in VARIABLES:
            variables |= dict.fromkeys(VARIABLES[name], value)
        elif name not in IRRELEVANT:
            return None
    return options, variables


def with_uv(arguments: Sequence[str], quiet: Sequence[str]) -> bool:
    """Whether uv has installed it."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    found = as_uv(pip_settings(listing.stdout)) if listing.returncode == 0 else None
    if found is None:
        return False
    fetched = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--only-binary", "uv", "uv"]
    if not importlib.util.find_spec("uv") and subprocess.run(fetched, capture_output=True, check=False).returncode:
        return False
    options, variables = found
    command = [sys.executable, "-m", "uv", "pip", "install", *quiet, "--python", sys.executable, *options, *arguments]
    if subprocess.run(command, env=os.environ | variables, check=False).returncode == 0:
        return True
    print("uv could not install these packages; pip tries now.", file=sys.stderr)
    return False


def main(arguments: Sequence[str]) -> int:
    """Install with uv, else with pip; the exit code of the one that did."""
    # Somebody who watches sees progress; a log gets only errors.
    watched = sys.stderr.isatty()
    if with_uv(arguments, [] if watched else ["--quiet"]):
        return 0
    # pip compiles every module on one core, which more than doubles the time. Python compiles what it imports.
    pip = [sys.executable, "-m", "pip", "install", *([] if watched else ["-qq"]), "--no-compile", *arguments]
    return subprocess.run(pip, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
