"""The commands together, and what becomes of the errors none of them handles."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from shape_audit.cli.declaring import flag
from shape_audit.cli.failures import failed, refusal
from shape_audit.cli.help_page import GroupedCommand
from shape_audit.cli.settings import SETTINGS, not_in_effect, read_settings
from shape_audit.cli.sink import note
from shape_audit.errors import ExitCode, ShapeAuditError
from shape_audit.parallel import is_launched

PROGRAM = "shape-audit"

COMMANDS = {
    "audit": ("audit", "audit_models", "Audit a model: shape, placement, interaction profile."),
    "check": ("check", "check_model", "Check a model before it is released; made for CI."),
    "rules": ("rules", "list_rules", "List the rules of `shape-audit check`."),
    "explain": ("rules", "explain", "Say what a rule looks for, why that matters and what to do."),
    "score": ("score", "score_models", "Run MMLU-Pro on a model with lm-eval."),
    "scores": ("scores", "list_scores", "List the MMLU-Pro scores known for a model."),
    "link": ("link", "link", "Relate the shapes of real models to their MMLU-Pro scores."),
    "interval": ("interval", "interval", "Derive the efficient interaction interval from a sweep."),
    "suggest": ("suggest", "suggest_shapes", "Suggest shapes for a number of parameters."),
    "schema": ("schema", "schema", "Print the JSON Schema of a command's result."),
    "leaderboard": ("leaderboard", "app", "Build, look at, verify and publish a leaderboard."),
    "sweep": ("sweep", "app", "Train and measure fixed-budget shape sweeps."),
    "app": ("app", "serve_app", "Serve a page to try models on, in a browser."),
}
"""Command -> its module, what stands for it there, and its line in the list of commands. A module is imported for the
command that is called; the list does without."""


def program_of(names: Collection[str]) -> Any:
    """The program, as click has it, with these of its commands loaded and the others in the list alone."""
    app = typer.Typer(
        name=PROGRAM,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(shape_audit)
    for name, (module, attribute, summary) in COMMANDS.items():
        if name not in names:
            app.command(name, short_help=summary)(_not_loaded)
            continue
        command = getattr(import_module(f"shape_audit.cli.commands.{module}"), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, short_help=summary)
        else:
            app.command(name, short_help=summary, cls=GroupedCommand)(command)
    program: Any = typer.main.get_command(app)
    for parameter in program.params:
        parameter.show_envvar = False
    return program


def _not_loaded() -> None:
    """Stands in the list for a command that is not called."""


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
        if type(error).__name__ == "NoArgsIsHelpError":
            note(error.format_message())
        else:
            note(f"{PROGRAM}: {refusal(error)}; see {_place(error, arguments)} --help")
        return ExitCode.WRONG_USAGE
    except ShapeAuditError as error:
        return failed(error, subject=PROGRAM, debug=False)
    except OSError as error:  # help and version are printed by typer, perhaps to a full disk
        return failed(error, subject=PROGRAM if error.filename else "stdout", debug=False)
    return int(code or ExitCode.CLEAN)


def _place(error: TyperException, arguments: list[str]) -> str:
    """The command that a refused command line is for, as its help is asked for."""
    if context := getattr(error, "ctx", None):
        return str(context.command_path)
    return " ".join([PROGRAM, *sorted(_asked_for(arguments) & COMMANDS.keys())])


def _asked_for(arguments: list[str]) -> set[str]:
    """The command that is called, or that a shell completes."""
    if "_SHAPE_AUDIT_COMPLETE" in os.environ:
        line = os.environ.get("_TYPER_COMPLETE_ARGS") or os.environ.get("COMP_WORDS", "")
        arguments = line.split()[1:]
    return {next(_words(arguments), "")}


def _words(arguments: list[str]) -> Iterator[str]:
    """The words that are no options of the program itself, nor their values."""
    for before, word in zip([None, *arguments], arguments, strict=False):
        if not word.startswith("-") and before != "--config":
            yield word
