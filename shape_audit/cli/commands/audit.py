"""`shape-audit audit MODEL ...`"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Literal

import typer

from shape_audit.auditing import (
    AuditOptions,
    MeasurementNotInstalledError,
    Phases,
    Progress,
    RecordNotWrittenError,
    audit,
)
from shape_audit.cli.declaring import Format, Output, command, exit_code, flag
from shape_audit.cli.failures import failed
from shape_audit.cli.interruption import Interruptible
from shape_audit.cli.process_clock import process_seconds
from shape_audit.cli.sink import emit, is_watched, note
from shape_audit.errors import ExitCode, IncompleteError, UsageError
from shape_audit.escaping import json_text
from shape_audit.parallel import SingleProcess, processes_of_run
from shape_audit.places import assets_folder
from shape_audit.records import AuditRecord, check_writable, record_file_name
from shape_audit.scores import ScoreOptions
from shape_audit.storage import WorkingCopy, is_record, working_copy


@command("shape-audit")
def audit_models(
    context: typer.Context,
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL", help="org/name, org/name@revision, a folder, or builtin:NAME.")
    ],
    options: AuditOptions,
    num_processes: Annotated[
        int | None,
        flag(
            help="Share the windows among this many processes on this machine.  [default: 1]",
            rich_help_panel="Hardware",
        ),
    ] = None,
    is_dry_run: Annotated[
        bool,
        flag(
            "--dry-run",
            help="Show the memory the measurement would take, and stop; exit code 2 if there is too little.",
            rich_help_panel="Hardware",
        ),
    ] = False,
    runs_mmlu_pro: Annotated[
        bool,
        flag("--score", help="Also run MMLU-Pro (letters) with lm-eval; see shape-audit score.",
             rich_help_panel="Scores"),
    ] = False,
    figures: Annotated[
        Path | None,
        flag(metavar="DIR", help="Draw what blocks do and how much of the width is used: PNG and SVG.",
             rich_help_panel="Output"),
    ] = None,
    format: Format = "text",
    output: Output = None,
    debug: Annotated[bool, flag("--debug", help="Show tracebacks.")] = False,
) -> int:  # fmt: skip
    """Audit a model: shape, placement against the efficient interaction interval, interaction profile.

    Several models come side by side in one table; the full report of each is in its record.
    """
    if options.text.save_windows is not None and len(models) > 1:
        raise UsageError("--save-windows is for one model at a time: windows are of its tokenizer")
    if figures is not None:
        if options.shape_only:
            raise UsageError("--shape-only measures nothing to draw; leave out --figures")
        check_writable(figures, what="figures", option="--figures")
    processes = processes_of_run()
    if processes.note:
        note(f"shape-audit: {processes.note}")
    if num_processes is not None and not options.shape_only:
        from shape_audit.parallel import check_launched, end_with_launcher, launch

        if processes.size == 1 and num_processes != 1:
            return launch(context.obj, num_processes)
        check_launched(num_processes, processes)
        end_with_launcher()
    if options.load.device_map is not None:
        from shape_audit.models import give_back_freed_memory

        give_back_freed_memory()
    records, writes = options.keep.records or assets_folder("records"), processes.is_first and not is_dry_run
    with working_copy(records, is_record, reads=False, writes=writes) as copy:
        options = _with_folders(options, copy.folder, runs_mmlu_pro)
        if is_dry_run:
            from shape_audit.cli.commands.dry_run import dry_run

            return exit_code(dry_run(models, options, (format, output), debug))
        audits = _Audits(options, processes, copy, debug)
        codes = audits.of(models, format, output)
    if figures is not None and processes.is_first:
        from shape_audit.auditing import write_use_figure

        for record in audits.measured:
            for path in write_use_figure(record, figures):
                note(f"figure: {path}")
    return exit_code(codes)


def _with_folders(options: AuditOptions, records: Path, runs_mmlu_pro: bool) -> AuditOptions:
    """The options with this folder for records, and those of this program for all else."""
    runs = assets_folder("scores")
    score = ScoreOptions(results=runs, device=options.load.device, retries=options.read.retries)
    return options.but(records=records, partial=records / "partial", runs=runs, score=score if runs_mmlu_pro else None)


class _Audits:
    """Audits of several models, each of which may fail by itself."""

    def __init__(self, options: AuditOptions, processes: SingleProcess, copy: WorkingCopy, debug: bool) -> None:
        """
        Args:
            copy: of the record folder.
        """
        self._options, self._processes, self._copy, self._debug = options, processes, copy, debug
        self._before = process_seconds()
        self._found: list[AuditRecord] = []
        self._written: list[AuditRecord] = []

    @property
    def measured(self) -> list[AuditRecord]:
        """What was found, without models of which only the shape is known."""
        return [record for record in self._found if record.interaction is not None]

    def of(self, models: list[str], format: Literal["text", "json", "markdown"], output: Path | None) -> set[ExitCode]:
        """Audit them one by one and show what was found; the exit codes that occurred."""
        codes = {ExitCode.CLEAN}
        try:
            for model in models:
                codes.add(self._audit(model))
        finally:  # also where Ctrl-C ends the work: what is finished is shown
            if self._processes.is_first:
                codes.add(self._show(format, output, several=len(models) > 1))
        return codes

    def _audit(self, model: str) -> ExitCode:
        try:
            with _progress(self._processes) as progress:
                phases = Phases(progress, before=self._before)
                self._before = 0.0  # of this process, only the first model waits for its start
                record = audit(model, self._options, progress=phases, processes=self._processes)
            self._found.append(record)
            self._written.append(record)
            if self._processes.is_first:
                self._copy.send_if_due()
        except MeasurementNotInstalledError as error:
            self._found.append(error.record)
            self._written.append(error.record)
            return failed(error, subject=model, debug=self._debug)
        except RecordNotWrittenError as error:
            self._found.append(error.record)
            return failed(error, subject=model, debug=self._debug)
        except Exception as error:
            return failed(error, subject=model, debug=self._debug)
        return ExitCode.CLEAN

    def _show(self, format: Literal["text", "json", "markdown"], output: Path | None, *, several: bool) -> ExitCode:
        code = ExitCode.CLEAN
        try:
            if self._found:
                _emit(self._found, format, output, several=several)
        except Exception as error:
            code = failed(error, subject=str(output or "stdout"), debug=self._debug)
        try:
            self._copy.send()
        except IncompleteError as error:
            return failed(error, subject=str(self._copy.place), debug=self._debug)
        for record in self._written:
            note(f"record: {self._copy.shown(self._copy.folder / record_file_name(record))}")
        return code


def _progress(processes: SingleProcess) -> AbstractContextManager[Progress]:
    """A bar where there is a terminal to draw it on; else nothing, and no time for loading what would draw it."""
    if not processes.is_first or not is_watched():
        return nullcontext(Interruptible())
    from shape_audit.cli.progress import AuditBar

    return AuditBar()


def _emit(
    found: list[AuditRecord], format: Literal["text", "json", "markdown"], output: Path | None, *, several: bool
) -> None:
    import shape_audit.reports as reports  # each form from its own file: loading them all takes longer than a shape

    if format == "json":
        content = [record.model_dump(mode="json", by_alias=True) for record in found]
        emit(json_text(content) if several else reports.as_json(found[0]), output)
    elif format == "markdown":
        emit(reports.comparison_markdown(found) if several else reports.audit_markdown(found[0]), output)
    else:
        emit(reports.comparison_text(found) if several else reports.audit_text(found[0]), output)
