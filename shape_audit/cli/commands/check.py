"""`shape-audit check MODEL`"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, cast

import typer

from shape_audit.checks import (
    FORMATS,
    CheckOptions,
    Format,
    Policy,
    accepted_in_words,
    all_rules,
    check,
    formatted,
    only_stricter,
    policy_of,
    read_baseline,
    write_baseline,
)
from shape_audit.cli.declaring import FORMAT, Output, command, flag, output_flag
from shape_audit.cli.settings import SETTINGS, Settings, not_in_effect
from shape_audit.cli.sink import emit, note
from shape_audit.errors import ExitCode, UsageError
from shape_audit.hub import CONFIG_FILE

DEFAULT_BASELINE = Path("shape-audit-baseline.json")


@command("model")
def check_model(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="org/name[@revision], a folder, or builtin:NAME.")],
    options: CheckOptions,
    writes_baseline: Annotated[
        bool,
        flag(
            "--write-baseline",
            rich_help_panel="Rules",
            help=f"Accept today's findings: write --baseline, or {DEFAULT_BASELINE}.",
        ),
    ] = False,
    anchor: Annotated[
        str,
        output_flag(metavar="FILE", help="The file of your repository that sarif and github findings are shown at."),
    ] = CONFIG_FILE,
    format: Annotated[Format, FORMAT] = "text",
    output: Output = None,
    also: Annotated[
        list[str] | None,
        output_flag(metavar="FORMAT=FILE", help="Write the report in another format too; may be repeated."),
    ] = None,
) -> int:
    """Check a model before it is released: files, tensors, sizes, shape. Loads no weights; made for CI.

    Exit code 1 where a finding is at least as severe as --fail-on, 2 where the model could not be looked at.
    """
    others = [_other(text) for text in also or ()]
    baseline = options.baseline or DEFAULT_BASELINE
    settings: Settings = context.meta[SETTINGS]
    options = options.but(policy=options.policy or _policy_in(settings), settings=_named_in_report(settings))
    if writes_baseline and not baseline.exists():
        options = options.but(baseline=None)
    report = check(model, options)
    if writes_baseline:
        written = write_baseline(report, baseline)
        more = len(read_baseline(baseline)) - len(written)
        kept = f"; {more} more that it had stay (delete it first to begin anew)" if more else ""
        note(f"{baseline} accepts {accepted_in_words(written)}{kept}")
        return ExitCode.CLEAN
    anchor = os.fsencode(anchor).decode("utf-8", "replace")
    for form, file in others:
        emit(formatted(report, form, anchor=anchor), file)
    emit(formatted(report, format, anchor=anchor), output)
    return ExitCode.FINDINGS if report.failing else ExitCode.CLEAN


def _policy_in(settings: Settings) -> Policy | None:
    """The policy of the settings file: all of it where the user has named the file, else what is stricter."""
    table = settings.tables.get("check", {}).get("policy")
    if settings.file is None or not isinstance(table, dict):
        return None
    if settings.is_named:
        return policy_of(table, settings.file, all_rules())
    policy, left = only_stricter(table, Path(settings.shown), all_rules())
    if left:
        note(not_in_effect(settings, left))
    return policy


def _named_in_report(settings: Settings) -> tuple[str, ...]:
    """What the report says of the file that options, not the policy alone, were taken from."""
    if not settings.tables.get("check", {}).keys() - {"policy"}:
        return ()
    return (f"--config {settings.shown}" if settings.is_named else f"{settings.shown} (found, only what is stricter)",)


def _other(text: str) -> tuple[Format, Path]:
    """A format of the report and the file it goes to."""
    form, _, file = text.partition("=")
    if form not in FORMATS or not file:
        raise UsageError(f"--also {text}: it must be FORMAT=FILE, with one of {', '.join(FORMATS)}")
    return cast(Format, form), Path(file)
