"""One model of a sweep on its way into the table: trained, saved, measured, entered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from shape_audit.records import PlannedShape, SweepRow
from shape_audit.sweep.evaluation import evaluate
from shape_audit.sweep.model_folder import save_model, saved_training
from shape_audit.sweep.options import SweepOptions
from shape_audit.sweep.plan import schedule_of, sizes_of
from shape_audit.sweep.session import SweepSession
from shape_audit.sweep.table import model_name, row_of, trunk_name, write_table
from shape_audit.sweep.training import Job, StateFiles, train

if TYPE_CHECKING:
    from accelerate import Accelerator


def job_of(shape: PlannedShape, seed: int, options: SweepOptions, accelerator: Accelerator) -> Job:
    """What training a shape once is told."""
    return Job(
        family=options.family,
        sizes=sizes_of(shape, options),
        seed=seed,
        schedule=schedule_of(shape, options),
        learning_rate=shape.learning_rate,
        batch=options.batch,
        seq_len=options.seq_len,
        precision="bfloat16" if accelerator.mixed_precision == "bf16" else "float32",
    )


class OneModel:
    """One model of a sweep on its way into the table."""

    def __init__(self, session: SweepSession, shape: PlannedShape, seed: int) -> None:
        self._session, self._shape, self._seed = session, shape, seed
        self._name = model_name(shape, seed)

    def enter(self, rows: list[SweepRow], behind: float, total: float) -> list[SweepRow]:
        """Train and measure it, as far as that is not done yet, and write the table with its line.

        Args:
            rows: the table so far.
            behind, total: operations of the sweep before this model, and in all.

        Returns:
            The table with its line.
        """
        session = self._session
        home, is_first = session.folder.models / self._name, session.processes.is_first
        training = session.processes.from_first(saved_training(home) if is_first else None)
        if training is None:
            training = self._train(behind, total)
        rows = [*rows, row_of(self._shape, self._seed, session.options.family, training, evaluate(home, session))]
        if is_first:
            write_table(session.folder.table, rows)
            self._states.own.unlink(missing_ok=True)
        return rows

    def _train(self, behind: float, total: float) -> dict[str, Any]:
        """Train it and save its folder; what is known of the training."""
        session, shape = self._session, self._shape
        job = job_of(shape, self._seed, session.options, session.accelerator)
        session.progress.step("training")

        def tell(step: int, tokens_per_second: float, loss: float) -> None:
            session.progress.training(step, job.steps, tokens_per_second, loss)
            ours = step - (job.steps - shape.trained_steps)  # below 0 where a trunk is trained anew
            session.progress.sweep(behind + shape.flops * max(0, ours) / job.steps, total)

        trained = train(
            job, session.text.train, session.accelerator,
            states=self._states, save_seconds=session.options.save_seconds, progress=tell,
        )  # fmt: skip
        training = {
            "train_ce": trained.train_ce,
            "train_seconds": round(trained.seconds, 3),
            "precision": job.precision,
            "device": session.accelerator.device.type,
            "processes": session.processes.size,
            "threads": torch.get_num_threads(),
        }
        if session.processes.is_first:
            save_model(trained.model, session.folder.models / self._name, training, positions=session.options.seq_len)
        whole: dict[str, Any] = session.processes.from_first(training)  # and nobody reads the folder before it is there
        return whole

    @property
    def _states(self) -> StateFiles:
        folder = self._session.folder.states
        return StateFiles(
            own=folder / f"{self._name}.safetensors",
            trunk=folder / f"{trunk_name(self._shape, self._seed)}.safetensors",
        )

    def forget_trunk(self) -> None:
        """Remove the trunk's state, which longer lengths that are added later are then trained without."""
        self._states.trunk.unlink(missing_ok=True)
