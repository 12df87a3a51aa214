"""A training on disk: weights, both moments of AdamW, losses so far, in one safetensors file that one rename replaces.

There is no state of a random generator and none of a data loader in it: batches follow from the step's number, and
nothing else is drawn (no dropout).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from shape_audit.errors import IncompleteError, UsageError
from shape_audit.records import write_bytes_atomically

MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What AdamW keeps of a parameter."""


@dataclass(frozen=True)
class SavedTraining:
    """Where a training stood.

    Attributes:
        step: steps done.
        seconds: what they took, over all sessions.
        losses: of each of them (step,), in nats per byte.
    """

    step: int
    seconds: float
    losses: Tensor


def save_training(
    file: Path, model: nn.Module, optimizer: torch.optim.Optimizer, saved: SavedTraining, facts: Mapping[str, Any]
) -> None:
    """Replace what was saved.

    Args:
        facts: of the run; only one with equal facts goes on from here.

    Raises:
        IncompleteError: the file cannot be written; what was saved before is still there.
    """
    from safetensors.torch import save

    tensors = {"losses": saved.losses}
    for name, parameter in model.named_parameters():
        tensors[f"model.{name}"] = parameter.detach().cpu().contiguous()
        for moment in MOMENTS:
            tensors[f"{moment}.{name}"] = optimizer.state[parameter][moment].cpu().contiguous()
    numbers = {"step": saved.step, "seconds": saved.seconds, "facts": dict(facts)}
    try:
        write_bytes_atomically(file, save(tensors, metadata={"saved": json.dumps(numbers)}))
    except OSError as error:
        reason = error.strerror or error
        raise IncompleteError(
            f"{file}: the training could not be saved ({reason}); the last one saved stays"
        ) from error


def restore_training(
    file: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    facts: Mapping[str, Any],
    *,
    latest: int | None = None,
) -> SavedTraining | None:
    """Put model and optimizer where they were saved.

    Args:
        latest: a state of more steps than this is of no use.

    Returns:
        Where that is; None where nothing of use was saved. A damaged file is set aside.

    Raises:
        UsageError: what was saved is of a run with other facts.
    """
    from safetensors import SafetensorError, safe_open

    if not file.exists():
        return None
    try:
        with safe_open(file, "pt") as stream:
            numbers = json.loads((stream.metadata() or {})["saved"])
            before, now = dict(numbers["facts"]), json.loads(json.dumps(dict(facts)))
            if before != now:
                other = next(name for name in {**before, **now} if before.get(name) != now.get(name))
                raise UsageError(
                    f"{file}: a training under way, with {other} {before.get(other)} where this run has "
                    f"{now.get(other)}; remove it to start over"
                )
            if latest is not None and int(numbers["step"]) > latest:
                return None
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
        parameters = dict(model.named_parameters())
        shapes_fit = all(tensors[f"model.{name}"].shape == parameter.shape for name, parameter in parameters.items())
        moments = {
            name: {moment: tensors[f"{moment}.{name}"] for moment in MOMENTS} for name in parameters if shapes_fit
        }
        saved = SavedTraining(int(numbers["step"]), float(numbers["seconds"]), tensors["losses"])
        if not shapes_fit or len(saved.losses) != saved.step:
            raise ValueError("of another model")
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        with suppress(FileNotFoundError):  # several processes come here, and one is the first
            os.replace(file, file.with_suffix(".damaged"))
        return None
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[f"model.{name}"])
            on_device = {moment: value.to(parameter.device) for moment, value in moments[name].items()}
            optimizer.state[parameter] = on_device
    return saved
