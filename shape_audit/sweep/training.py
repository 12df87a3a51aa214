"""Training one model to its token budget: a plain loop on Accelerate.

Why not transformers' Trainer: a batch here is a function of the step's number, so going on exactly where a killed run
stood takes a state file and no replay of a data loader, and several processes cut the same global batch. In Trainer
that would be a sampler, a loader, a callback and its own checkpoint folder; here it is a hundred lines, with the same
Accelerate underneath (devices, mixed precision, data-parallel processes). `callback` serves those who use Trainer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from shape_audit.errors import NonFiniteError
from shape_audit.records import Precision
from shape_audit.shape import Sizes, family_named
from shape_audit.sweep.bytes_data import Bytes, batch_starts, windows_at
from shape_audit.sweep.model_folder import new_model
from shape_audit.sweep.recipe import BETAS, CLIP_NORM, WEIGHT_DECAY, Schedule
from shape_audit.sweep.training_state import SavedTraining, restore_training, save_training

if TYPE_CHECKING:
    from accelerate import Accelerator

LOOK_EVERY = 10
"""Steps after which losses are looked at: a GPU need not be waited for at every one."""


@dataclass(frozen=True)
class Job:
    """One model to train.

    Attributes:
        schedule: what becomes of the learning rate, and for how many steps.
        learning_rate: the peak.
        batch: windows a step, over all processes.
    """

    family: str
    sizes: Sizes
    seed: int
    schedule: Schedule
    learning_rate: float
    batch: int
    seq_len: int
    precision: Precision

    @property
    def steps(self) -> int:
        """Of the whole training."""
        return self.schedule.steps

    @property
    def trunk(self) -> dict[str, Any]:
        """What decides its steps before the branch: equal for all lengths of a shape and seed."""
        return {**asdict(self), "schedule": {"warmup": self.schedule.warmup}}


@dataclass(frozen=True)
class StateFiles:
    """Where a training under way is saved.

    Attributes:
        own: of this training alone.
        trunk: of all lengths of its shape and seed; the last state before the branch stays there for the next length.
    """

    own: Path
    trunk: Path

    def restore(self, loop: TrainingLoop, job: Job) -> SavedTraining | None:
        """Put a loop where its own file has it, else where the trunk's has it and that is not too far."""
        saved = restore_training(self.own, loop.model, loop.optimizer, asdict(job))
        if saved is None and job.schedule.branch is not None:
            saved = restore_training(self.trunk, loop.model, loop.optimizer, job.trunk, latest=job.schedule.branch)
        return saved

    def save(self, loop: TrainingLoop, job: Job, saved: SavedTraining) -> None:
        """Save a loop in the file that the step belongs to."""
        if job.schedule.branch is not None and saved.step <= job.schedule.branch:
            save_training(self.trunk, loop.model, loop.optimizer, saved, job.trunk)
        else:
            save_training(self.own, loop.model, loop.optimizer, saved, asdict(job))


@dataclass(frozen=True)
class Trained:
    """A trained model.

    Attributes:
        model: as transformers makes it, without what Accelerate puts around it.
        train_ce: mean loss over the last tenth of the steps, in nats per byte.
        seconds: of training, over all sessions.
    """

    model: Any
    train_ce: float
    seconds: float


def accelerator_for(device: torch.device, precision: Precision) -> Accelerator:
    """The Accelerate that trains on this device, alone or as one of the processes a launcher has started."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state()  # as Trainer does: else the first precision of a Python process were its only one
    return Accelerator(cpu=device.type == "cpu", mixed_precision="bf16" if precision == "bfloat16" else "no")


def chosen_precision(device: torch.device, asked: str) -> Precision:
    """bfloat16 where the hardware computes with it, where nothing else was asked for.

    Emulated, as on a CPU without such units, it would be slower than float32.
    """
    if asked != "auto":
        return "bfloat16" if asked == "bfloat16" else "float32"
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    units = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    has_units = device.type == "cpu" and any(getattr(torch.cpu, name, lambda: False)() for name in units)
    return "bfloat16" if has_units else "float32"


class TrainingLoop:
    """A model with its optimizer, and what one step does to them."""

    def __init__(self, job: Job, text: Bytes, accelerator: Accelerator) -> None:
        self.job, self._text, self._accelerator = job, text, accelerator
        self.model: nn.Module = new_model(family_named(job.family), job.sizes, job.seed).train()
        self._prepared: Any = accelerator.prepare_model(self.model)
        matrices = [parameter for parameter in self.model.parameters() if parameter.ndim >= 2]
        others = [parameter for parameter in self.model.parameters() if parameter.ndim < 2]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}],
            lr=job.learning_rate,
            betas=BETAS,
            fused=accelerator.device.type in ("cpu", "cuda"),
        )

    def step(self, number: int) -> Tensor:
        """One step, counted from 0; returns this process's share of the loss (mean over processes: nats per byte)."""
        job, accelerator = self.job, self._accelerator
        for group in self.optimizer.param_groups:
            group["lr"] = job.learning_rate * job.schedule.rate(number)
        ids_BL = self._own_windows(number).to(accelerator.device, non_blocking=True)
        logits_BTV = self._prepared(input_ids=ids_BL[:, :-1], use_cache=False).logits
        total = F.cross_entropy(logits_BTV.flatten(0, 1).float(), ids_BL[:, 1:].flatten(), reduction="sum")
        # gradients are averaged over processes, which may have a window more or less than each other
        loss = total * (accelerator.num_processes / (job.batch * job.seq_len))
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(self.model.parameters(), CLIP_NORM)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        detached: Tensor = loss.detach()
        return detached

    def _own_windows(self, number: int) -> Tensor:
        """This process's windows (B, L) of a step's batch."""
        job, accelerator = self.job, self._accelerator
        starts = batch_starts(job.seed, number, batch=job.batch, seq_len=job.seq_len, text_bytes=len(self._text))
        rank, world = accelerator.process_index, accelerator.num_processes
        own = starts[job.batch * rank // world : job.batch * (rank + 1) // world]
        return torch.from_numpy(windows_at(self._text, own, job.seq_len))


def train(
    job: Job,
    text: Bytes,
    accelerator: Accelerator,
    *,
    states: StateFiles | None = None,
    save_seconds: float = 60.0,
    progress: Callable[[int, float, float], None] = lambda step, tokens_per_second, loss: None,
) -> Trained:
    """Train a model from its first step, or from where `states` have it, to its last.

    Gone on from a state, its own or the trunk's, it ends in the same weights as without a break: bit for bit on a CPU
    with equal threads and processes.

    Args:
        text: to train on.
        states: where the training is saved on the way; None saves nothing.
        save_seconds: how long after it was last saved. Where the decay leaves the trunk, it is saved in any case.
        progress: told the steps done, bytes a second since this session's first step, and the last loss.

    Raises:
        NonFiniteError: the loss is infinite or not a number; the message names the step.
        UsageError: a state is of another job.
        IncompleteError: the state cannot be saved; what was saved before is still there.
    """
    loop = TrainingLoop(job, text, accelerator)
    saved = states.restore(loop, job) if states else None
    first, seconds_before = (saved.step, saved.seconds) if saved else (0, 0.0)
    losses = [saved.losses] if saved else []
    fresh: list[Tensor] = []
    started = last_saved = time.perf_counter()
    branch = job.schedule.branch
    for number in range(first, job.steps):
        fresh.append(loop.step(number))
        done = number + 1
        if done % LOOK_EVERY and done not in (branch, job.steps):
            continue
        losses.append(_looked_at(fresh, done, accelerator))
        fresh.clear()
        now = time.perf_counter()
        progress(done, (done - first) * job.batch * job.seq_len / (now - started), float(losses[-1][-1]))
        is_due = done == branch or now - last_saved >= save_seconds
        if states and accelerator.is_main_process and done < job.steps and is_due:
            states.save(loop, job, SavedTraining(done, seconds_before + now - started, torch.cat(losses)))
            last_saved = time.perf_counter()
    last_tenth = torch.cat(losses)[-max(1, job.steps // 10) :]
    return Trained(
        model=loop.model,
        train_ce=float(last_tenth.double().mean()),
        seconds=seconds_before + time.perf_counter() - started,
    )


def seconds_per_step(job: Job, text: Bytes, accelerator: Accelerator, *, steps: int = 3) -> float:
    """Seconds of one training step on this machine as it is now: the fastest of a few, after one to warm up."""
    loop = TrainingLoop(job, text, accelerator)
    loop.step(0)
    times = []
    for number in range(1, steps + 1):
        started = time.perf_counter()
        float(loop.step(number))  # waits for the device
        times.append(time.perf_counter() - started)
    return min(times)


def _looked_at(fresh: list[Tensor], done: int, accelerator: Accelerator) -> Tensor:
    """The losses of the last steps over all processes (K,), if all are finite."""
    losses_K: Tensor = accelerator.reduce(torch.stack(fresh), reduction="mean").cpu()
    bad = (~torch.isfinite(losses_K)).nonzero()
    if len(bad):
        step = done - len(fresh) + int(bad[0]) + 1
        raise NonFiniteError(f"the loss is not finite at step {step}; try a lower --learning-rate")
    return losses_K
