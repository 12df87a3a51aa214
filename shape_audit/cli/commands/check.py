"""`shape-audit check MODEL`"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from shape_audit.checks import (
    FORMATS,
    CheckOptions,
    Format,
    Policy,
    all_rules,
    check,
    formatted,
    policy_in_pyproject,
    read_policy,
    write_baseline,
)
from shape_audit.cli.failures import failed
from shape_audit.cli.option import option
from shape_audit.cli.sink import emit, note
from shape_audit.errors import ExitCode, UsageError
from shape_audit.hub import CONFIG_FILE

DEFAULT_BASELINE = Path("shape-audit-baseline.json")


def command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="org/name[@revision], a folder, or builtin:NAME.")],
    policy: Annotated[
        Path | None,
        option(metavar="FILE", help="TOML.  [default: [tool.shape-audit.check.policy] of the nearest pyproject.toml]"),
    ] = None,
    interval: Annotated[
        Path | None, option(metavar="FILE", help="Of R_D/W, in the place of the policy's (see shape-audit interval).")
    ] = None,
    deep: Annotated[
        bool, option("--deep", help="Compare the tensors with the architecture that transformers builds.")
    ] = False,
    weights: Annotated[bool, option("--weights", help="Look at every number, for NaN, infinity, zeros.")] = False,
    verify_hashes: Annotated[
        bool, option("--verify-hashes", help="Compare all files with the Hub's sha256 (downloads them).")
    ] = False,
    measure: Annotated[bool, option("--measure", help="Make a measured audit, for the SA8 rules.")] = False,
    record: Annotated[
        Path | None, option(metavar="FILE", help="A record of this model, in the place of --measure.")
    ] = None,
    baseline: Annotated[
        Path | None, option(metavar="FILE", help="Accept the findings that are listed here.")
    ] = None,
    writes_baseline: Annotated[
        bool, option("--write-baseline", help=f"Accept today's findings: write --baseline, or {DEFAULT_BASELINE}.")
    ] = False,
    select: Annotated[str | None, option(metavar="RULES", help="Only these: SA3,SA401.")] = None,
    ignore: Annotated[str | None, option(metavar="RULES", help="Not these.")] = None,
    fail_on: Annotated[
        Literal["error", "warning", "note"], option(help="The least severity that makes the exit code 1.")
    ] = "error",
    anchor: Annotated[
        str, option(metavar="FILE", help="The file of your repository that sarif and github findings are shown at.")
    ] = CONFIG_FILE,
    subfolder: Annotated[str | None, option(metavar="DIR", help="Where in MODEL the model lies.")] = None,
    variant: Annotated[str | None, option(help="Of the weight files: fp16 for model.fp16.safetensors.")] = None,
    retries: Annotated[int, option(help="Tries again after a passing fault of the network.")] = 3,
    format: Annotated[Format, option("--format", "-f", help="Form of the report.")] = "text",
    output: Annotated[Path | None, option("--output", "-o", metavar="FILE", help="Write the report here.")] = None,
    also: Annotated[
        list[str] | None, option(metavar="FORMAT=FILE", help="Write another form of the report too; may be repeated.")
    ] = None,
    debug: Annotated[bool, option("--debug", help="Show tracebacks.")] = False,
) -> int:  # fmt: skip
    """Check a model before it is released: files, tensors, sizes, shape. Loads no weights; made for CI.

    Exit code 1 where a finding is at least as severe as --fail-on, 2 where the model could not be looked at.
    """
    try:
        if measure and record is not None:
            raise UsageError("--measure makes a record, --record takes one; choose one")
        options = CheckOptions(
            policy=_policy(policy), interval=interval, deep=deep, weights=weights, verify_hashes=verify_hashes,
            measure=measure, record=record, baseline=baseline, select=_ids(select), ignore=_ids(ignore),
            fail_on=fail_on, subfolder=subfolder, variant=variant, retries=retries,
        )  # fmt: skip
        others = [_other(text) for text in also or ()]
        if writes_baseline and baseline is not None and not baseline.exists():
            options = replace(options, baseline=None)
        report = check(model, options)
    except Exception as error:
        return failed(error, subject=model, debug=debug)
    try:
        if writes_baseline:
            path = baseline or DEFAULT_BASELINE
            note(f"{write_baseline(report, path)} findings accepted in {path}")
            return ExitCode.CLEAN
        anchor = os.fsencode(anchor).decode("utf-8", "replace")
        for form, file in others:
            emit(formatted(report, form, anchor=anchor), file)
        emit(formatted(report, format, anchor=anchor), output)
    except Exception as error:
        return failed(error, subject=str(output or "stdout"), debug=debug)
    return ExitCode.FINDINGS if report.failing else ExitCode.CLEAN


def _policy(path: Path | None) -> Policy:
    """The policy named, else that of the nearest pyproject.toml, else the default one."""
    found = path or policy_in_pyproject(Path.cwd())
    return read_policy(found, all_rules()) if found else Policy()


def _other(text: str) -> tuple[Format, Path]:
    """A form of the report and the file it goes to."""
    form, _, file = text.partition("=")
    if form not in FORMATS or not file:
        raise UsageError(f"--also {text}: it must be FORMAT=FILE, with one of {', '.join(FORMATS)}")
    return cast(Format, form), Path(file)


def _ids(text: str | None) -> tuple[str, ...]:
    """Ids of rules, from a list with commas."""
    return tuple(part.strip().upper() for part in text.split(",") if part.strip()) if text else ()
