"""`ShapeAuditCallback`: the interaction as it forms, in a training by transformers' Trainer."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from shape_audit.calibration import Window, WindowSet
from shape_audit.errors import NonFiniteError, UsageError
from shape_audit.sweep.watching import Observation, watch

if TYPE_CHECKING:
    from torch import nn
    from transformers import Trainer

PREFIX = "shape_audit/"
LOG_FILE = "shape_audit.jsonl"

logger = logging.getLogger(__name__)


class ShapeAuditCallback(TrainerCallback):  # type: ignore[misc]
    """Logs R_D/W, AOFE and AOFE-ratio with their intervals, at the start and every K steps, on the same windows.

        callback = ShapeAuditCallback(fixed_windows(tokenizer), every=200)
        callback.add_to(trainer)
        trainer.train()
        callback.observations[200].sites[0].aofe_ratio

    The numbers are those of `audit` on the checkpoint of that step with the same windows. They go where the trainer's
    own logs go, under names that begin with `shape_audit/`, and to `shape_audit.jsonl` in its output folder.
    `shape_audit/cost` is what looking has cost so far, as a share of the time since the start. Training itself is
    not touched: its weights and its logs are the same with the callback and without. Of several processes the first one
    looks.

    Attributes:
        observations: step -> what was seen there.
    """

    def __init__(
        self,
        windows: WindowSet | Sequence[Window],
        *,
        every: int = 100,
        protocol: str = "loss-gradient",
        sites: str = "all",
        micro_batch: int | None = None,
        use: bool = False,
    ) -> None:
        """Prepare to look.

        Args:
            windows: of `fixed_windows`; 16 to 64 of them show the trend.
            every: steps of the optimizer between two looks.
            protocol: as for `watch`.
            sites: as for `watch`.
            micro_batch: as for `watch`.
            use: as for `watch`.

        Raises:
            UsageError: `every` is less than 1.
        """
        if every < 1:
            raise UsageError(f"every must be at least 1, not {every}")
        self.observations: dict[int, Observation] = {}
        self._windows, self._every = windows, every
        self._settings = {"protocol": protocol, "sites": sites, "micro_batch": micro_batch, "use": use}
        self._log: Callable[[dict[str, float]], None] | None = None
        self._started: float | None = None
        self._spent = 0.0

    def add_to(self, trainer: Trainer) -> ShapeAuditCallback:
        """Have a trainer call this, and send the numbers to all that it reports to."""
        trainer.add_callback(self)
        self._log = trainer.log
        return self

    def on_train_begin(self, args: Any, state: Any, control: Any, model: nn.Module, **rest: Any) -> None:
        """Look at once: a model that cannot be watched is refused before it has trained for hours."""
        self._started, self._spent = time.perf_counter(), 0.0
        if state.is_world_process_zero:
            self._look(args, state, model)

    def on_step_end(self, args: Any, state: Any, control: Any, model: nn.Module, **rest: Any) -> None:
        """Look every K steps; that gradients are not finite is said, but does not end the training."""
        if state.global_step % self._every == 0 and state.is_world_process_zero:
            due = control.should_log  # the trainer's own log of this step, which ours would take for done
            try:
                self._look(args, state, model)
            except NonFiniteError as error:
                logger.warning("step %d: %s", state.global_step, error)
            control.should_log = due

    def _look(self, args: Any, state: Any, model: nn.Module) -> None:
        seen = watch(model, self._windows, **self._settings)  # type: ignore[arg-type]
        self.observations[state.global_step] = seen
        self._spent += seen.seconds
        passed = time.perf_counter() - (self._started if self._started is not None else time.perf_counter())
        numbers = {PREFIX + name: value for name, value in seen.numbers().items()}
        numbers[PREFIX + "cost"] = self._spent / passed if passed else 1.0
        if self._log is not None:
            self._log(dict(numbers))
        else:
            state.log_history.append({**numbers, "step": state.global_step})
        folder = Path(args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOG_FILE).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": state.global_step, **numbers}) + "\n")
