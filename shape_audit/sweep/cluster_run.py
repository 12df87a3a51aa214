"""A sweep on a cluster: a shape and seed a task, all its lengths in it, since they share a trunk.

What a task trains is a sweep of its own in the worker's folder; the driver puts its models, records and lines into the
sweep's folder as they come. States of trainings come to the driver too, so that a lost machine costs minutes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePath

from shape_audit.cluster import ClusterOptions, ClusterRoom, Desk, Keepsakes, Placed, RayEngine, Task, ray_session
from shape_audit.errors import IncompleteError, ShapeAuditError
from shape_audit.records import PlannedShape, SweepRow, write_bytes_atomically
from shape_audit.sweep.bytes_data import SweepText
from shape_audit.sweep.options import SweepOptions
from shape_audit.sweep.output_folder import OutputFolder
from shape_audit.sweep.plan import plan_shapes
from shape_audit.sweep.progress import SilentSweep, SweepProgress
from shape_audit.sweep.run import run_with_text
from shape_audit.sweep.table import in_order, model_name, read_table, trunk_name, write_table


@dataclass(frozen=True)
class TrainingTask(Task):
    """All lengths of one shape and seed.

    Attributes:
        options: of the sweep that these are all of.
        output: the sweep's folder, on the driver.
    """

    name: str
    options: SweepOptions
    output: Path

    @property
    def keepsakes(self) -> Keepsakes:
        return Keepsakes(self.output, f"states/{self.name}[.-]*safetensors")

    def placed(self, room: ClusterRoom) -> Placed:
        # a training holds one GPU: models of a sweep are small, and their batches fill it
        uses_gpus = self.options.device == "cuda" or (self.options.device == "auto" and room.has_gpus)
        return Placed(self, room.on_gpus() if uses_gpus else room.on_cpus())

    def run(self, desk: Desk) -> list[str]:
        rows = run_with_text(self.options.but(output=desk.kept), desk.shared, SilentSweep())
        for folder in ("models", "records"):
            shutil.move(desk.kept / folder, desk.results / folder)
        return [row.model_dump_json() for row in rows]


def train_on_cluster(options: SweepOptions, text: SweepText, progress: SweepProgress) -> list[SweepRow]:
    """Train and measure every shape; what the folder has already is not done again.

    Raises:
        ShapeAuditError: as `run_sweep` says; of models that failed, the first one's reason, after all others are done.
    """
    assert options.output is not None and options.precision != "auto"
    folder = OutputFolder(options.output)
    folder.lock()
    try:
        folder.settle(options, text, options.precision)
        rows, failures = read_table(folder.table), []
        groups = list(_groups(options))
        done = {row.name for row in rows}
        tasks = [
            TrainingTask(trunk_name(shapes[0], seed), _part(options, shapes, seed), folder.path)
            for shapes, seed in groups
            if not done.issuperset(model_name(shape, seed) for shape in shapes)
        ]
        with ray_session(options.cluster.ray_address):
            for finished in RayEngine(options.cluster, shared=text).run(tasks, len(tasks), progress):
                if finished.error is not None:
                    failures.append(finished.error)
                    continue
                _put(finished.answer.files, folder.path)
                new = [SweepRow.model_validate_json(line) for line in finished.answer.value]
                rows = [*rows, *(row for row in new if row.name not in done)]
                write_table(folder.table, rows)
                finished.task.let_go()
    finally:
        folder.unlock()
    if failures:
        raise _first_of(failures)
    asked = {model_name(shape, seed) for shapes, seed in groups for shape in shapes}
    return [row for row in in_order(rows) if row.name in asked]


def _groups(options: SweepOptions) -> Iterator[tuple[list[PlannedShape], int]]:
    """The lengths of a shape, with each seed."""
    for _, shapes in groupby(plan_shapes(options)[0], key=lambda shape: (shape.target_params, shape.num_hidden_layers)):
        lengths = list(shapes)
        yield from ((lengths, seed) for seed in options.seeds)


def _part(options: SweepOptions, shapes: Sequence[PlannedShape], seed: int) -> SweepOptions:
    """The sweep of one shape and seed."""
    shape = shapes[0]
    return options.but(
        params=str(shape.target_params), depths=str(shape.num_hidden_layers), seed=seed, runs=1, output=None,
        data="", cluster=ClusterOptions(),
    )  # fmt: skip


def _put(files: Mapping[str, bytes], output: Path) -> None:
    """Models and records into the sweep's folder: each model's folder by one rename, so that it is whole."""
    try:
        models: dict[str, dict[str, bytes]] = {}
        for path, content in files.items():
            kind, name, *rest = PurePath(path).parts
            if kind == "records" and not rest:
                write_bytes_atomically(output / kind / name, content)
            elif kind == "models" and len(rest) == 1:
                models.setdefault(name, {})[rest[0]] = content
        for name, contents in models.items():
            unfinished = output / "models" / f".{name}.tmp"
            shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed here
            for file, content in contents.items():
                write_bytes_atomically(unfinished / file, content)
            shutil.rmtree(output / "models" / name, ignore_errors=True)
            unfinished.replace(output / "models" / name)
    except OSError as error:
        raise IncompleteError(f"{output}: {error.strerror or error}; see --output") from error


def _first_of(failures: Sequence[ShapeAuditError]) -> ShapeAuditError:
    more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
    return type(failures[0])(f"{failures[0]}{more}; all other models are done")
