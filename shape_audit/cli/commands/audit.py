"""`shape-audit audit MODEL ...`"""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Literal

import typer

from shape_audit.auditing import AuditOptions, MeasurementNotInstalledError, RecordNotWrittenError, Silent, audit
from shape_audit.cli.assets import assets_folder
from shape_audit.cli.commands.dry_run import dry_run
from shape_audit.cli.failures import failed
from shape_audit.cli.option import option
from shape_audit.cli.progress_bar import ProgressBar
from shape_audit.cli.sink import emit, note
from shape_audit.errors import ExitCode, UsageError
from shape_audit.parallel import check_launched, end_with_launcher, launch, rank, world_size
from shape_audit.records import AuditRecord, record_file_name
from shape_audit.reports import as_json, audit_markdown, audit_text, comparison_markdown, comparison_text
from shape_audit.scores import ScoreOptions

Format = Literal["text", "json", "markdown"]

_ORDER = (ExitCode.INCOMPLETE, ExitCode.NOTHING_AUDITABLE, ExitCode.WRONG_USAGE, ExitCode.CLEAN)
"""Several models: the exit code is the first of these that occurred."""


def command(
    context: typer.Context,
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL", help="org/name, org/name@revision, a folder, or builtin:NAME.")
    ],
    shape_only: Annotated[
        bool, option("--shape-only", help="Read config and tensor headers only: no torch, no weights.")
    ] = False,
    subfolder: Annotated[str | None, option(help="Where the model lies inside its repository or folder.")] = None,
    variant: Annotated[str | None, option(help="Of the weight files: fp16 for model.fp16.safetensors.")] = None,
    interval: Annotated[
        Path | None, option(metavar="FILE", help="Place against this interval (JSON) instead of the shipped one.")
    ] = None,
    dataset: Annotated[
        str,
        option(
            help="Calibration text: builtin:python-docs, a .txt, .jsonl or .parquet file, or "
            "org/name[:config][@revision] on the Hub."
        ),
    ] = "builtin:python-docs",
    text_column: Annotated[str | None, option(help="Text column of a table.  [default: text]")] = None,
    split: Annotated[
        str | None, option(help="Split of a Hub dataset.  [default: test, else the only one]")
    ] = None,
    seq_len: Annotated[int | None, option(help="Input tokens of a window.  [default: 256]")] = None,
    windows: Annotated[int | None, option(help="Number of windows.  [default: 64]")] = None,
    tolerance: Annotated[
        float | None,
        option(help="Take windows until the AOFE-ratio's 95 % interval is this half-width or less at every site."),
    ] = None,
    max_windows: Annotated[
        int | None, option(help="With --tolerance, at most so many.  [default: 1024, or what the text holds]")
    ] = None,
    seed: Annotated[int, option(help="Order in which windows are taken from the text.")] = 0,
    passage_bytes: Annotated[
        int | None, option(help="Bytes of text a window may draw on.  [default: 12 x seq-len]")
    ] = None,
    windows_file: Annotated[Path | None, option(metavar="FILE", help="Replay windows from a file.")] = None,
    save_windows: Annotated[Path | None, option(metavar="FILE", help="Write the windows used.")] = None,
    protocol: Annotated[
        str,
        option(
            metavar="NAME",
            help="What is measured: loss-gradient, output-gradient (of the logits), projected-output (logits, as "
            "published), or what an installed package adds.",
        ),
    ] = "loss-gradient",
    sites: Annotated[str, option(help="all, embedding, or a list such as embedding,block.0,block.11.")] = "all",
    spectrum: Annotated[int | None, option(metavar="K", help="Also the K largest eigenvalues of each AGOP.")] = None,
    nfa: Annotated[
        bool,
        option(
            "--nfa",
            help="Also the weights' own interaction and the Neural Feature Ansatz, beside re-initialised models.",
        ),
    ] = False,
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], option(help="Where to measure.")] = "auto",
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16", "float64"],
        option(help="Dtype of the pass; auto is the checkpoint's own (float32 for float16). "
                          "Sums are always float32 or better."),
    ] = "auto",
    attn_implementation: Annotated[
        Literal["sdpa", "eager"] | None, option(help="Attention of the pass.  [default: as transformers chooses]")
    ] = None,
    num_processes: Annotated[
        int | None, option(help="Share the windows among so many processes on this machine.  [default: 1]")
    ] = None,
    micro_batch: Annotated[int | None, option(help="Windows a forward pass.  [default: by memory]")] = None,
    device_map: Annotated[
        str | None,
        option(
            metavar="auto|balanced|cpu|disk|FILE",
            help="For models larger than memory: spread weights over GPUs, CPU memory and disk. cpu, disk: all blocks "
            "there. FILE: JSON, module to device.",
        ),
    ] = None,
    max_memory: Annotated[
        str | None,
        option(
            metavar="LIST",
            help="With --device-map auto or balanced, what weights may take: cuda:0=20GiB,cpu=4GiB.",
        ),
    ] = None,
    is_dry_run: Annotated[
        bool, option("--dry-run", help="Say what memory the measurement would take, and stop; exit code 2 if too much.")
    ] = False,
    scores: Annotated[
        list[Path] | None,
        option(metavar="PATH", help="Look for scores in result files or folders of lm-eval too; may be repeated."),
    ] = None,
    posted: Annotated[
        bool, option("--posted/--no-posted", help="Look for scores posted in the model's repository.")
    ] = True,
    score: Annotated[
        bool, option("--score", help="Run MMLU-Pro (letters) with lm-eval too; see shape-audit score.")
    ] = False,
    retries: Annotated[int, option(help="Tries again after a passing fault of the network.")] = 3,
    records: Annotated[
        Path | None, option(metavar="DIR", help="Record folder.  [default: in the Hub's assets cache]")
    ] = None,
    resume: Annotated[bool, option("--resume/--no-resume", help="Go on from what a killed run has saved.")] = True,
    save_every: Annotated[int, option(help="Windows after which partial sums are saved.")] = 32,
    format: Annotated[Format, option("--format", "-f", help="Form of the report.")] = "text",
    output: Annotated[Path | None, option("--output", "-o", metavar="FILE", help="Write the report here.")] = None,
    debug: Annotated[bool, option("--debug", help="Show tracebacks.")] = False,
) -> int:  # fmt: skip
    """Audit a model: shape, placement against the efficient interaction interval, interaction profile.

    Several models come side by side in one table; the full report of each is in its record.
    """
    try:
        if save_windows is not None and len(models) > 1:
            raise UsageError("--save-windows is for one model at a time: windows are of its tokenizer")
        if num_processes is not None and not shape_only:
            if world_size() == 1 and num_processes != 1:
                return launch(context.obj, num_processes)
            check_launched(num_processes)
            end_with_launcher()
        folder, runs = records or assets_folder("records"), assets_folder("scores")
        options = AuditOptions(
            shape_only=shape_only, subfolder=subfolder, variant=variant, interval=interval, dataset=dataset,
            text_column=text_column, split=split, seq_len=seq_len,
            windows=windows, tolerance=tolerance, max_windows=max_windows, seed=seed,
            passage_bytes=passage_bytes, windows_file=windows_file,
            save_windows=save_windows, protocol=protocol, sites=sites, spectrum=spectrum, nfa=nfa, device=device,
            dtype=dtype,
            attn_implementation=attn_implementation, micro_batch=micro_batch,
            device_map=device_map, max_memory=max_memory,
            scores=tuple(scores or ()), posted=posted, runs=runs,
            score=ScoreOptions(results=runs, device=device, retries=retries) if score else None,
            retries=retries, records=folder, partial=folder / "partial", save_every=save_every, resume=resume,
        )  # fmt: skip
    except Exception as error:
        return failed(error, subject="shape-audit", debug=debug)
    is_first = rank() == 0  # of several processes, the one that speaks
    if is_dry_run:
        codes = dry_run(models, options, format, output, debug)
        return next(code for code in _ORDER if code in codes)
    found: list[AuditRecord] = []
    written: list[AuditRecord] = []
    codes = {ExitCode.CLEAN}
    try:
        for model in models:
            codes.add(_audit_one(model, options, found, written, debug))
    finally:  # also where Ctrl-C ends the work: what is finished is shown
        if is_first:
            codes.add(_show(found, format, output, several=len(models) > 1, debug=debug))
        for record in written if is_first else ():
            note(f"record: {folder / record_file_name(record)}")
    return next(code for code in _ORDER if code in codes)


def _audit_one(
    model: str, options: AuditOptions, found: list[AuditRecord], written: list[AuditRecord], debug: bool
) -> ExitCode:
    """Audit a model and add its record to those found, and to those written where it lies in the record folder."""
    try:
        with ProgressBar() if rank() == 0 else nullcontext(Silent()) as progress:
            record = audit(model, options, progress=progress)
        found.append(record)
        written.append(record)
    except MeasurementNotInstalledError as error:
        found.append(error.record)
        written.append(error.record)
        return failed(error, subject=model, debug=debug)
    except RecordNotWrittenError as error:
        found.append(error.record)
        return failed(error, subject=model, debug=debug)
    except Exception as error:
        return failed(error, subject=model, debug=debug)
    return ExitCode.CLEAN


def _show(found: list[AuditRecord], format: Format, output: Path | None, *, several: bool, debug: bool) -> ExitCode:
    try:
        if found:
            _emit(found, format, output, several=several)
    except Exception as error:
        return failed(error, subject=str(output or "stdout"), debug=debug)
    return ExitCode.CLEAN


def _emit(found: list[AuditRecord], format: Format, output: Path | None, *, several: bool) -> None:
    if format == "json":
        content = [record.model_dump(mode="json", by_alias=True) for record in found]
        emit(json.dumps(content, indent=2) + "\n" if several else as_json(found[0]), output)
    elif several:
        emit(comparison_markdown(found) if format == "markdown" else comparison_text(found), output)
    else:
        emit(audit_markdown(found[0]) if format == "markdown" else audit_text(found[0]), output)
