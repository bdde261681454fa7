"""Write MLproject: the parameters and the command of every entry point, from the settings that it declares.

python tools/mlproject.py           write it
python tools/mlproject.py --check   fail if it is not what the settings say
"""

import importlib
import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
MLPROJECT = ROOT / "MLproject"
SHARED = ("__init__", "console", "shell")
"""Modules of entrypoints/ that are no entry points."""
WIDTH = 114
HEAD = """\
# Entry points and every parameter: the public interface. Written by tools/mlproject.py from the settings that the entry
# points declare. Placeholders are bare: quotes around one would undo the quoting that MLflow applies to its value. `none`
# means not given, `auto` means choose for me.
name: glassliquid

conda_env: conda.yaml

entry_points:
"""


def written() -> str:
    """The content of MLproject, with the entry points in the order that they have there."""
    modules = {path.stem for path in (ROOT / "entrypoints").glob("*.py")} - set(SHARED)
    before = yaml.safe_load(MLPROJECT.read_text(encoding="utf-8"))["entry_points"] if MLPROJECT.exists() else {}
    names = [*(name for name in before if name in modules), *sorted(modules - set(before))]
    return HEAD + "\n".join("\n".join(_entry_point(name)) + "\n" for name in names)


def _entry_point(name: str) -> Iterator[str]:
    parameters = importlib.import_module(f"entrypoints.{name}").main.parameters
    yield f"  {name}:"
    yield "    parameters:"
    for each in parameters:
        # MLflow checks that what is given for a float is a number; words such as `auto` are none.
        kind, default = ("float", each.default) if each.is_number else ("string", json.dumps(each.default))
        # `null` would be YAML's word for nothing.
        key = each.name if isinstance(yaml.safe_load(each.name), str) else json.dumps(each.name)
        yield f"      {key}: {{type: {kind}, default: {default}}}"
    yield "    command: >-"
    yield f"      python -m entrypoints.{name}"
    # One word for the wrapping, so that an option and its value stay together.
    options = " ".join(f"--{each.name.replace('_', '-')}\0{{{each.name}}}" for each in parameters)
    lines = textwrap.wrap(options, WIDTH, break_on_hyphens=False, break_long_words=False)
    yield from (f"      {line}".replace("\0", " ") for line in lines)


def main() -> None:
    """Write the file, or check it."""
    sys.path[:0] = [str(ROOT / "src"), str(ROOT)]
    text = written()
    if "--check" not in sys.argv[1:]:
        MLPROJECT.write_text(text, encoding="utf-8")
    elif MLPROJECT.read_text(encoding="utf-8") != text:
        sys.exit("MLproject is not what the entry points' settings say: python tools/mlproject.py")


if __name__ == "__main__":
    main()
