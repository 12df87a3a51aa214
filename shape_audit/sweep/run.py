"""A sweep, from options to a table: each model trained, saved, measured, entered; going on where a run was killed."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from shape_audit.errors import CorruptFileError, IncompleteError, MissingExtraError, UsageError, translate_errors
from shape_audit.parallel import SingleProcess, processes_of_run
from shape_audit.records import PlannedShape, SweepPlan, SweepRow
from shape_audit.sweep.options import SweepOptions
from shape_audit.sweep.plan import make_plan, plan_shapes, sizes_of, trained_flops
from shape_audit.sweep.progress import SilentSweep, SweepProgress

if TYPE_CHECKING:
    from shape_audit.sweep.bytes_data import SweepText

PACKAGES = ("torch", "transformers", "accelerate", "safetensors", "scipy", "filelock")


def plan_sweep(
    options: SweepOptions | None = None, *, progress: SweepProgress | None = None, **changes: Any
) -> SweepPlan:
    """What `run_sweep` with the same arguments would train, with times estimated from a few steps of each shape.

        shape_audit.plan_sweep(params="300k", depths="1,2,4,8", data="corpus").seconds

    Raises:
        UsageError, IncompleteError: as `run_sweep` says.
    """
    settled = SweepOptions.given(options, changes, "plan_sweep()")
    _check_installed()
    with translate_errors("the sweep"):
        return _plan(settled, progress or SilentSweep())


def run_sweep(
    options: SweepOptions | None = None,
    *,
    progress: SweepProgress | None = None,
    processes: SingleProcess | None = None,
    **changes: Any,
) -> list[SweepRow]:
    """Train and measure every shape; what the folder has already is not done again.

        rows = shape_audit.run_sweep(params="300k", depths="1,2,4,8", data="corpus", output="sweep")
        derivation, files = shape_audit.conclude_sweep("sweep")  # interval.json and figures, as the command leaves

    Args:
        options: all options at once.
        progress: told what is happening; None for nobody.
        processes: those that share each step; None for those that a launcher has started.
        **changes: single options by name, see `SweepOptions`; only where `options` is not given.

    Returns:
        The lines of the table for the shapes asked for, by budget, depth and seed.

    Raises:
        UsageError: options that are not a valid combination, or others than the folder's models were made with.
        CorruptFileError: a damaged .xz file, or a test text that is not UTF-8.
        IncompleteError: text missing or too short, a full disk, another run at work, a loss that is not finite.
        MissingExtraError: the extra `measure` is not installed.
    """
    settled = SweepOptions.given(options, changes, "run_sweep()")
    _check_installed()
    with translate_errors("the sweep"):
        if settled.cluster.uses_ray:
            return _run_on_cluster(settled, progress or SilentSweep(), processes or processes_of_run())
        return _run(settled, progress or SilentSweep(), processes or processes_of_run())


def _check_installed() -> None:
    missing = next((package for package in PACKAGES if find_spec(package) is None), None)
    if missing:
        raise MissingExtraError(f"a sweep needs {missing}: pip install 'shape-audit[measure]'")


def _plan(options: SweepOptions, progress: SweepProgress) -> SweepPlan:
    from shape_audit.hub import quiet_transformers
    from shape_audit.models import chosen_device
    from shape_audit.sweep.one_model import job_of
    from shape_audit.sweep.training import accelerator_for, chosen_precision, seconds_per_step

    text = _read_text(options, progress)
    device = chosen_device(options.device)
    precision = chosen_precision(device, options.precision)
    accelerator = accelerator_for(device, precision)
    shapes, _ = plan_shapes(options)
    jobs = {sizes_of(shape, options): job_of(shape, options.seed, options, accelerator) for shape in shapes}
    progress.step("trying a few steps of each shape")
    with quiet_transformers():
        return make_plan(
            options,
            trial=lambda sizes: seconds_per_step(jobs[sizes], text.train, accelerator),
            device=str(device),
            precision=precision,
            notes=tuple(note for note in (text.note, _reading(text, shapes)) if note),
        )


def _run(
    options: SweepOptions, progress: SweepProgress, processes: SingleProcess, text: SweepText | None = None
) -> list[SweepRow]:
    from shape_audit.hub import quiet_transformers
    from shape_audit.models import chosen_device
    from shape_audit.sweep.one_model import OneModel
    from shape_audit.sweep.output_folder import OutputFolder
    from shape_audit.sweep.session import SweepSession
    from shape_audit.sweep.table import in_order, model_name, read_table
    from shape_audit.sweep.training import accelerator_for, chosen_precision

    if options.output is None:
        raise UsageError("--output: a sweep needs a folder for its table and models")
    device = chosen_device(options.device, processes)
    processes.join(device)
    if not processes.is_first:
        progress = SilentSweep()
    text = text or _read_text(options, progress)
    precision = chosen_precision(device, options.precision)
    accelerator = accelerator_for(device, precision)
    if options.batch < processes.size:
        raise UsageError(f"--batch {options.batch}: fewer windows than the {processes.size} processes")
    folder = OutputFolder(options.output)
    if processes.is_first:
        folder.lock()
    try:
        if processes.is_first:
            folder.settle(options, text, precision)
        rows = processes.from_first(read_table(folder.table) if processes.is_first else None)
        cells = _cells(options)
        done = {row.name for row in rows}
        session = SweepSession(options, text, folder, accelerator, processes, progress)
        total, behind = sum(trained_flops(shape) for shape, _ in cells), 0.0
        with quiet_transformers():
            for number, (shape, seed) in enumerate(cells, start=1):
                name = model_name(shape, seed)
                progress.model(name, number, len(cells))
                progress.sweep(behind, total)
                model = OneModel(session, shape, seed)
                if name not in done:
                    rows = model.enter(rows, behind, total)
                if shape.tokens_per_param == options.lengths[-1] and processes.is_first:
                    model.forget_trunk()
                behind += trained_flops(shape)
        progress.sweep(total, total)
    finally:
        folder.unlock()
    asked = {model_name(shape, seed) for shape, seed in cells}
    return [row for row in in_order(rows) if row.name in asked]


def _run_on_cluster(options: SweepOptions, progress: SweepProgress, processes: SingleProcess) -> list[SweepRow]:
    from shape_audit.sweep.cluster_run import train_on_cluster

    if processes.size > 1:
        raise UsageError("--engine ray is for one process, which hands work to the cluster; leave out the launcher")
    return train_on_cluster(options, _read_text(options, progress), progress)


def run_with_text(options: SweepOptions, text: SweepText, progress: SweepProgress) -> list[SweepRow]:
    """A part of a sweep, by this process alone, on texts that have been read elsewhere.

    Raises:
        ShapeAuditError: as `run_sweep` says.
    """
    return _run(options, progress, SingleProcess(), text)


def _cells(options: SweepOptions) -> list[tuple[PlannedShape, int]]:
    """The models in the order of their training: shape by shape, seed by seed, the lengths of a trunk one by one."""
    shapes = plan_shapes(options)[0]
    several = len(options.lengths)
    groups = [shapes[first : first + several] for first in range(0, len(shapes), several)]
    return [(shape, seed) for group in groups for seed in options.seeds for shape in group]


def _reading(text: SweepText, shapes: Sequence[PlannedShape]) -> str | None:
    """That the training text is read more than once, where it is."""
    times = max(shape.tokens for shape in shapes) / len(text.train)
    if times < 1.5:
        return None
    return f"the training text of {len(text.train):,} bytes is read about {times:.0f} times: more text would be better"


def _read_text(options: SweepOptions, progress: SweepProgress) -> SweepText:
    """The texts. What an audit of the trained models would refuse is refused now rather than after the first training:
    a test text that is no UTF-8, or holds too few windows."""
    from shape_audit.sweep.bytes_data import read_data
    from shape_audit.sweep.evaluation import passage_bytes

    progress.step("reading the text")
    text = read_data(options.data, seq_len=options.seq_len)
    try:
        text.test.tobytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorruptFileError(f"--data {options.data}: its test text is not UTF-8 (byte {error.start:,})") from error
    slots = len(text.test) // passage_bytes(options.seq_len)
    if slots < options.windows:
        raise IncompleteError(
            f"--data {options.data}: its test text of {len(text.test):,} bytes makes {slots:,} windows, not "
            f"{options.windows} (each is cut from {passage_bytes(options.seq_len):,} bytes of its own); lower "
            "--windows or --seq-len"
        )
    return text
