"""A model that is in memory already, in a notebook or a training script: looked at, and left exactly as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from shape_audit.errors import UsageError
from shape_audit.hub import TensorHeader
from shape_audit.models.loading import LoadedModel
from shape_audit.models.shield import plain_torch

SHARDED = ("DTensor", "FlatParameter")
"""Types of the parameters of FSDP; those of DeepSpeed's ZeRO 3 have a `ds_id`."""
_HEADER_NAMES = {
    torch.float64: "F64", torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16",
    torch.int8: "I8", torch.uint8: "U8", torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2",
}  # fmt: skip


def bare_model(model: Any) -> Any:
    """The model itself, without what DistributedDataParallel or torch.compile put around it.

    Raises:
        UsageError: not a model of transformers, or sharded over processes (FSDP, DeepSpeed ZeRO 3).
    """
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel):
            inner = model.module
        if inner is None:
            break
        model = inner
    if not hasattr(getattr(model, "config", None), "to_dict"):
        raise UsageError(f"{type(model).__name__}: only models of transformers can be measured in memory")
    if any(type(p).__name__ in SHARDED or hasattr(p, "ds_id") for p in model.parameters()):
        raise UsageError("a model that is sharded over processes (FSDP, ZeRO 3) cannot be measured; audit a checkpoint")
    return model


def headers_of(model: nn.Module) -> dict[str, TensorHeader]:
    """Name -> dtype and shape of every parameter, a tied one once, as the headers of a saved checkpoint would say."""
    return {
        name: TensorHeader(dtype=_HEADER_NAMES.get(parameter.dtype, "F32"), shape=tuple(parameter.shape))
        for name, parameter in model.named_parameters()
    }


@contextmanager
def as_loaded(model: nn.Module) -> Iterator[LoadedModel]:
    """While open, a bare model runs as one that `load_model` gives: no dropout, no mixed precision.

    Its training flags, hooks, forward and dtype are put back; whether weights require gradients does not matter to a
    pass, which never differentiates them.
    """
    parameter = next(model.parameters())
    training = [module for module in model.modules() if module.training]
    own = vars(model)
    wrapped, original = own.get("forward"), own.get("_original_forward")  # Accelerate's, for mixed precision
    config: Any = model.config
    model.eval()
    try:
        if wrapped is not None and original is not None:
            model.forward = original
        with plain_torch(parameter.device):
            yield LoadedModel(
                model=model,
                dtype=parameter.dtype,
                device=parameter.device,
                attn_implementation=str(getattr(config, "_attn_implementation", None)),
            )
    finally:
        if wrapped is not None and original is not None:
            model.forward = wrapped
        for module in training:
            module.training = True
