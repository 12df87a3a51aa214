"""The model's own activation checkpointing: a block keeps its input alone, and is computed again in the backward pass.

So a block's weights are wanted twice, one block at a time, and can stay on a disk in between. Without it autograd would
hold on to every weight that the forward pass has used.

transformers checkpoints a block when its `training` flag is set. Blocks of OPT and Falcon drop out by that same flag
(gradients off by 75 % and 46 %, and nothing says so): `loading.read_config` sets all dropout to 0, the flag is set on
the blocks alone, and the first micro-batch's loss is compared with the plain one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from shape_audit.errors import NotAuditableError
from shape_audit.models.logits import model_logits, window_losses

TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-5}
"""Relative, of a window's loss: the same kernels on the same numbers. Half precision: `ROUGH_TOLERANCE`."""
ROUGH_TOLERANCE = 1e-3


def checkpoint_blocks(model: nn.Module, blocks: Sequence[nn.Module]) -> None:
    """Have these blocks computed a second time in the backward pass, instead of keeping what they computed.

    Raises:
        NotAuditableError: the architecture cannot.
    """
    name = type(model).__name__
    transformer: Any = model
    try:
        # Stopping early would leave the last module's weights where they are: its closing hook would never run.
        transformer.activation_checkpointing_enable({"use_reentrant": False, "early_stop": False})
    except ValueError as error:
        raise NotAuditableError(f"{name}: has no activation checkpointing, which --device-map needs here") from error
    transformer.disable_input_require_grads()  # it is for weights that learn; the residual stream is a leaf here
    for block in blocks:
        if next(block.parameters(recurse=False), None) is not None:
            raise NotAuditableError(f"{name}: --device-map cannot offload blocks that hold weights of their own")
        if not getattr(block, "gradient_checkpointing", False):
            raise NotAuditableError(f"{name}: checkpoints no single blocks, which --device-map needs here")
        block.training = True  # of the block alone; .train() would reach the modules inside


@contextmanager
def not_checkpointed(blocks: Sequence[nn.Module]) -> Iterator[None]:
    """While open, blocks run as they do in a plain evaluation."""
    flags = [block.training for block in blocks]
    for block in blocks:
        block.training = False
    try:
        yield
    finally:
        for block, flag in zip(blocks, flags, strict=True):
            block.training = flag


@torch.no_grad()
def check_same_losses(model: nn.Module, blocks: Sequence[nn.Module], ids_BL: Tensor, losses_B: Tensor) -> None:
    """Refuse a model whose checkpointed blocks compute something else than its plain ones.

    Args:
        losses_B: of these windows, as the checkpointed model has them.

    Raises:
        NotAuditableError: they differ by more than rounding.
    """
    with not_checkpointed(blocks):
        plain_B = window_losses(model_logits(model, ids_BL[:, :-1]), ids_BL[:, 1:])
    dtype = next(model.parameters()).dtype
    difference = float(((losses_B.to(plain_B) - plain_B).abs() / plain_B.abs().clamp_min(1e-12)).max())
    if not difference <= TOLERANCE.get(dtype, ROUGH_TOLERANCE):
        raise NotAuditableError(
            f"{type(model).__name__}: with activation checkpointing its loss is another (by {difference:.2g} of it; "
            "does it drop out?), so it cannot be measured with --device-map; leave that out"
        )
