"""Runs of MMLU-Pro as tasks of a cluster: one model each; lm-eval's files come back with its score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shape_audit.auditing import AuditOptions
from shape_audit.cluster.audit_tasks import AuditTask
from shape_audit.cluster.connection import ray_session
from shape_audit.cluster.options import ClusterOptions
from shape_audit.cluster.progress import ClusterProgress, SilentCluster
from shape_audit.cluster.room import ClusterRoom
from shape_audit.cluster.task import Desk, Placed, Task
from shape_audit.errors import IncompleteError, ShapeAuditError, UsageError
from shape_audit.records import ScoreRecord, write_bytes_atomically
from shape_audit.scores import ScoreOptions, ScoreRun, score

PARTIAL = "partial"


@dataclass(frozen=True)
class ScoreTask(Task):
    """MMLU-Pro for one model."""

    name: str
    options: ScoreOptions

    def placed(self, room: ClusterRoom) -> Placed:
        # what its weights take is what an audit's do; lm-eval fills the rest of a GPU with its batches
        like = AuditOptions.of(device=self.options.device, dtype=self.options.dtype, retries=self.options.retries)
        resources = AuditTask(self.name, like).placed(room).resources
        return Placed(self, resources if not resources.gpus else room.on_gpus())

    def run(self, desk: Desk) -> tuple[str, str]:
        done = score(self.name, self.options.but(results=desk.results))
        assert done is not None  # a worker is one process
        return done.record.model_dump_json(), done.results_file.relative_to(desk.results).as_posix()


def scored(
    models: Sequence[str],
    options: ScoreOptions,
    cluster: ClusterOptions,
    *,
    progress: ClusterProgress | None = None,
) -> Iterator[tuple[str, ScoreRun | ShapeAuditError]]:
    """Run MMLU-Pro for models on a Ray cluster, and give what became of each as it is done; files are written here.

    Answers of a run whose machine is lost are lost with it.

    Args:
        options: of every run; its folder of results is this machine's.

    Raises:
        MissingExtraError: the extra `cluster` is not installed.
        IncompleteError: there is no cluster, or its workers have other versions than this process.
        UsageError: no folder for results.
    """
    if options.results is None:
        raise UsageError("scored() needs results: the folder for lm-eval's files")
    with ray_session(cluster.ray_address):
        from shape_audit.cluster.ray_engine import RayEngine

        tasks = [ScoreTask(model, options) for model in dict.fromkeys(models)]
        for finished in RayEngine(cluster).run(tasks, len(tasks), progress or SilentCluster()):
            if finished.error is not None:
                yield finished.task.name, finished.error
                continue
            record, results_file = finished.answer.value
            try:
                _put(finished.answer.files, options.results, last=results_file)
            except OSError as error:
                where = f"{options.results}: {error.strerror or error}; see --results"
                yield finished.task.name, IncompleteError(where)
                continue
            yield (
                finished.task.name,
                ScoreRun(ScoreRecord.model_validate_json(record), Path(options.results, results_file)),
            )


def _put(files: Mapping[str, bytes], folder: Path, *, last: str) -> None:
    """lm-eval's files into the folder of results; the one that says that there is a score comes last."""
    for path in sorted(files, key=lambda path: path == last):
        if not path.startswith(f"{PARTIAL}/"):
            write_bytes_atomically(folder / path, files[path])
