"""The commands together, and what becomes of the errors none of them handles."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from shape_audit.cli.declaring import flag
from shape_audit.cli.failures import failed
from shape_audit.cli.settings import read_settings
from shape_audit.cli.sink import note
from shape_audit.errors import ExitCode, ShapeAuditError

PROGRAM = "shape-audit"

COMMANDS = {
    "audit": ("audit", "audit_models"),
    "check": ("check", "check_model"),
    "rules": ("rules", "list_rules"),
    "explain": ("rules", "explain"),
    "score": ("score", "score_model"),
    "scores": ("scores", "list_scores"),
    "link": ("link", "link"),
    "leaderboard": ("leaderboard", "app"),
    "interval": ("interval", "interval"),
    "suggest": ("suggest", "suggest_shapes"),
    "sweep": ("sweep", "app"),
    "schema": ("schema", "schema"),
}
"""Command -> its module and what stands for it there; modules are imported for the commands that are asked for."""


def program_of(names: Iterable[str]) -> Any:
    """The program with these of its commands, as click has it."""
    app = typer.Typer(
        name=PROGRAM,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(shape_audit)
    for name in names:
        module, attribute = COMMANDS[name]
        command = getattr(import_module(f"shape_audit.cli.commands.{module}"), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return typer.main.get_command(app)


def _print_version(asked: bool) -> None:
    if asked:
        from shape_audit import __version__

        print(f"{PROGRAM} {__version__}")
        raise typer.Exit()


def shape_audit(
    version: Annotated[
        bool, flag("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Audit the depth-width shape of a causal language model, and how its channels interact in gradient space.

    Exit codes: 0 clean, 1 findings, 2 could not be completed, 3 nothing auditable there, 4 wrong usage,
    130 interrupted. Options may also come from SHAPE_AUDIT_<COMMAND>_<OPTION> or from
    [tool.shape-audit.<command>] in pyproject.toml (sweep run: SHAPE_AUDIT_SWEEP_RUN_<OPTION>,
    [tool.shape-audit.sweep.run]).
    """


def run(arguments: list[str]) -> int:
    """Run the program on its arguments and return the exit code."""
    try:
        settings = read_settings()
        command = program_of(_asked_for(arguments, settings.tables))
        code = command.main(
            arguments,
            prog_name=PROGRAM,
            standalone_mode=False,
            default_map=settings.defaults(command),
            auto_envvar_prefix="SHAPE_AUDIT",
            obj=arguments,
        )
    except TyperException as error:
        message = error.format_message() or "no command given"
        if type(error).__name__ == "NoArgsIsHelpError":
            note(message)
        else:
            note(f"{PROGRAM}: {' '.join(message.split())}; see {PROGRAM} --help")
        return ExitCode.WRONG_USAGE
    except ShapeAuditError as error:
        return failed(error, subject=PROGRAM, debug=False)
    except OSError as error:  # help and version are printed by typer, perhaps to a full disk
        return failed(error, subject="stdout", debug=False)
    return int(code or ExitCode.CLEAN)


def _asked_for(arguments: list[str], tables: Iterable[str]) -> list[str]:
    """The command that is called, and those that there are settings for; all of them where one is not known, so that
    the nearest one can be named."""
    called = next((word for word in arguments if not word.startswith("-")), None)
    names = {called, *tables}
    return [name for name in COMMANDS if name in names or not names <= COMMANDS.keys()]
