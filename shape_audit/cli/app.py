"""The commands together, and what becomes of the errors none of them handles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from shape_audit.cli.declaring import flag
from shape_audit.cli.failures import failed
from shape_audit.cli.settings import SETTINGS, not_in_effect, read_settings
from shape_audit.cli.sink import note
from shape_audit.errors import ExitCode, ShapeAuditError
from shape_audit.parallel import is_launched

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
    context: typer.Context,
    config: Annotated[
        Path | None,
        flag(
            metavar="FILE",
            help="Settings (TOML), all of which hold.  [default: what is stricter in the nearest pyproject.toml]",
        ),
    ] = None,
    version: Annotated[
        bool, flag("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Audit the depth-width shape of a causal language model, and how its channels interact in gradient space.

    Exit codes: 0 clean, 1 findings, 2 could not be completed, 3 nothing auditable there, 4 wrong usage,
    130 interrupted. Options may also come from SHAPE_AUDIT_<COMMAND>_<OPTION> (sweep run:
    SHAPE_AUDIT_SWEEP_RUN_<OPTION>), or from a file that --config or SHAPE_AUDIT_CONFIG names:
    [tool.shape-audit.<command>] in a pyproject.toml, [<command>] in another. A pyproject.toml that nobody named
    can only make check stricter.
    """
    name = context.invoked_subcommand
    if name is None:
        return
    settings = read_settings(config)
    program: Any = context.command
    defaults, left = settings.defaults(name, program.commands[name], COMMANDS)
    context.default_map = {name: defaults}
    context.meta[SETTINGS] = settings
    if left and not is_launched():  # else the launcher has said so
        note(not_in_effect(settings, left))


def run(arguments: list[str]) -> int:
    """Run the program on its arguments and return the exit code."""
    try:
        command = program_of(_asked_for(arguments))
        code = command.main(
            arguments,
            prog_name=PROGRAM,
            standalone_mode=False,
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


def _asked_for(arguments: list[str]) -> list[str]:
    """The command that is called; all of them where that is not one, so that the nearest one can be named."""
    called = next(_words(arguments), None)
    return [called] if called in COMMANDS else list(COMMANDS)


def _words(arguments: list[str]) -> Iterator[str]:
    """The words that are no options of the program itself, nor their values."""
    for before, word in zip([None, *arguments], arguments, strict=False):
        if not word.startswith("-") and before != "--config":
            yield word
