"""One model of a sweep on its way into the table: trained, saved, measured, entered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from shape_audit.records import PlannedShape, SweepRow
from shape_audit.sweep.bytes_data import SweepText
from shape_audit.sweep.evaluation import evaluate
from shape_audit.sweep.model_folder import save_model, saved_training
from shape_audit.sweep.options import SweepOptions
from shape_audit.sweep.output_folder import OutputFolder
from shape_audit.sweep.plan import sizes_of
from shape_audit.sweep.progress import SweepProgress
from shape_audit.sweep.table import row_of, write_table
from shape_audit.sweep.training import Job, train

if TYPE_CHECKING:
    from accelerate import Accelerator

    from shape_audit.parallel import SingleProcess


def job_of(shape: PlannedShape, seed: int, options: SweepOptions, accelerator: Accelerator) -> Job:
    """What training a shape once is told."""
    return Job(
        family=options.family,
        sizes=sizes_of(shape, options),
        seed=seed,
        steps=shape.steps,
        learning_rate=shape.learning_rate,
        batch=options.batch,
        seq_len=options.seq_len,
        precision="bfloat16" if accelerator.mixed_precision == "bf16" else "float32",
    )


class OneModel:
    """One model of a sweep on its way into the table."""

    def __init__(
        self,
        shape: PlannedShape,
        seed: int,
        name: str,
        options: SweepOptions,
        text: SweepText,
        folder: OutputFolder,
        accelerator: Accelerator,
        processes: SingleProcess,
        progress: SweepProgress,
    ) -> None:
        self._shape, self._seed, self._name, self._options, self._text = shape, seed, name, options, text
        self._folder, self._accelerator, self._processes, self._progress = folder, accelerator, processes, progress

    def enter(self, rows: list[SweepRow], behind: float, total: float) -> list[SweepRow]:
        """Train and measure it, as far as that is not done yet, and write the table with its line.

        Args:
            rows: the table so far.
            behind, total: operations of the sweep before this model, and in all.

        Returns:
            The table with its line.
        """
        home, is_first = self._folder.models / self._name, self._processes.is_first
        training = self._processes.from_first(saved_training(home) if is_first else None)
        if training is None:
            training = self._train(behind, total)
        found = evaluate(
            home, self._text, self._folder.test_file, self._options,
            records=self._folder.records, processes=self._processes, progress=self._progress,
        )  # fmt: skip
        rows = [*rows, row_of(self._shape, self._seed, self._options.family, training, found)]
        if is_first:
            write_table(self._folder.table, rows)
            self._state_file.unlink(missing_ok=True)
        return rows

    def _train(self, behind: float, total: float) -> dict[str, Any]:
        """Train it and save its folder; what is known of the training."""
        options, shape = self._options, self._shape
        job = job_of(shape, self._seed, options, self._accelerator)
        self._progress.step("training")

        def tell(step: int, tokens_per_second: float, loss: float) -> None:
            self._progress.training(step, job.steps, tokens_per_second, loss)
            self._progress.sweep(behind + shape.flops * step / job.steps, total)

        trained = train(
            job, self._text.train, self._accelerator,
            state_file=self._state_file, save_seconds=options.save_seconds, progress=tell,
        )  # fmt: skip
        training = {
            "train_ce": trained.train_ce,
            "train_seconds": round(trained.seconds, 3),
            "precision": job.precision,
            "device": self._accelerator.device.type,
            "processes": self._processes.size,
            "threads": torch.get_num_threads(),
        }
        if self._processes.is_first:
            save_model(trained.model, self._folder.models / self._name, training, positions=options.seq_len)
        whole: dict[str, Any] = self._processes.from_first(training)  # and nobody reads the folder before it is there
        return whole

    @property
    def _state_file(self) -> Path:
        return self._folder.states / f"{self._name}.safetensors"
