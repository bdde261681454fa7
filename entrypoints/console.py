"""glassliquid: simulate a glass former, train networks to tell glass from liquid, and find out what they know.

Each command is an entry point of the MLflow project. Data are in the folder `data` of the current folder, and runs in its
`mlflow.db`, unless MLFLOW_TRACKING_URI is set.
"""

import ast
import importlib
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from entrypoints import shell
from glassliquid.errors import UserError, did_you_mean, listed
from glassliquid.parameters import Parameter

FOLDER = Path(__file__).parent
SHARED = ("__init__", "console", "shell")
"""Modules here that are no entry points."""


class Console(click.Group):
    """The entry points, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """The entry points, and what only the console command has."""
        return sorted([*entry_points(), *self.commands])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        name = cmd_name.replace("-", "_")
        return _with_file(name) if name in entry_points() else super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first word names; UserError, which suggests the nearest, if there is none."""
        word, known = args[0], self.list_commands(ctx)
        if not word.startswith("-") and not ctx.resilient_parsing and self.get_command(ctx, word) is None:
            raise UserError(f"There is no command {word!r}{did_you_mean(word, known)}: choose one of {listed(known)}.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A line for each, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._line(name)) for name in self.list_commands(ctx)])

    def _line(self, name: str) -> str:
        if name in self.commands:
            return self.commands[name].get_short_help_str(limit=100)
        text = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))) or ""
        line = text.partition("\n")[0].partition(": ")[2]
        return f"{line[:1].upper()}{line[1:]}"


def entry_points() -> list[str]:
    """The names of the modules beside this one."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in SHARED)


def run() -> None:
    """Run the console command and end the process."""
    shell.run(console)


def parameters_of(name: str) -> tuple[Parameter, ...]:
    """The parameters of an entry point."""
    parameters: tuple[Parameter, ...] = _entry_point(name).parameters
    return parameters


def _entry_point(name: str) -> shell.EntryPoint:
    command: shell.EntryPoint = importlib.import_module(f"entrypoints.{name}").main
    return command


def _with_file(name: str) -> click.Command:
    """An entry point that takes its parameters from a file too, and whose run has the tags that `mlflow run` gives one."""
    command = _entry_point(name)
    assert command.callback is not None
    option = click.Option(
        ["--config"],
        metavar="FILE",
        shell_complete=shell.completion("PATH"),
        is_eager=True,  # before the options that it gives new defaults
        expose_value=False,
        callback=partial(_read_file, name),
        help="YAML file of parameters, as written by glassliquid config; options on the command line override it.",
    )
    call = partial(_launch, name, command.callback)
    return click.Command(name, callback=call, params=[option, *command.params], help=command.help)


def _read_file(name: str, ctx: click.Context, _option: click.Parameter, value: str | None) -> None:
    if value is None:
        return
    from glassliquid.parameter_file import read_parameters

    def owners(parameter: str) -> list[str]:
        return [each for each in entry_points() if parameter in {other.name for other in parameters_of(each)}]

    ctx.default_map = read_parameters(Path(value).expanduser(), name, parameters_of(name), owners)


def _launch(name: str, call: Callable[..., None], /, **texts: str) -> None:
    # Positional only: an entry point may have a parameter called `name` or `call` itself.
    from glassliquid.tracking.given_run import LAUNCH_VARIABLE

    os.environ[LAUNCH_VARIABLE] = json.dumps([name, str(FOLDER.parent), texts])
    call(**texts)


@click.group(cls=Console, help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
def console() -> None:
    pass


@console.command()
@click.argument("run_id")
@click.option(
    "--output",
    metavar="FILE",
    shell_complete=shell.completion("PATH"),
    help="File to write to; by default they are printed.",
)
def config(run_id: str, output: str | None) -> None:
    """Write the parameters of an earlier run as a file for --config."""
    from glassliquid.commands import config as command
    from glassliquid.files import write_text

    shell.interrupt_on_terminate()
    text = command.run(run_id, entry_points(), parameters_of)
    if output is None:
        print(text, end="")
    elif Path(output).exists():
        raise UserError(f"output is {output!r}, which exists: pass the name of a new file.")
    else:
        write_text(Path(output).expanduser(), text)
        print(f"Wrote {output}.")
