"""The commands together, and what becomes of the errors none of them handles."""

from __future__ import annotations

from typing import Annotated

import typer
from typer.exceptions import TyperException

from shape_audit.cli import audit, check, interval, leaderboard, link, rules, schema, score, scores, suggest, sweep
from shape_audit.cli.failures import failed
from shape_audit.cli.option import option
from shape_audit.cli.settings import read_settings
from shape_audit.cli.sink import note
from shape_audit.errors import ExitCode, ShapeAuditError

PROGRAM = "shape-audit"

app = typer.Typer(
    name=PROGRAM,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("audit")(audit.command)
app.command("check")(check.command)
app.command("rules")(rules.list_rules)
app.command("explain")(rules.explain)
app.command("score")(score.command)
app.command("scores")(scores.command)
app.command("link")(link.command)
app.add_typer(leaderboard.app, name="leaderboard")
app.command("interval")(interval.command)
app.command("suggest")(suggest.command)
app.add_typer(sweep.app, name="sweep")
app.command("schema")(schema.command)


def _print_version(asked: bool) -> None:
    if asked:
        from shape_audit import __version__

        print(f"{PROGRAM} {__version__}")
        raise typer.Exit()


@app.callback()
def shape_audit(
    version: Annotated[
        bool, option("--version", callback=_print_version, is_eager=True, help="Print the version.")
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
    command = typer.main.get_command(app)
    try:
        code = command.main(
            arguments,
            prog_name=PROGRAM,
            standalone_mode=False,
            default_map=read_settings(command),
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
