"""A softmax whose forward-mode derivative uses the softmax itself.

torch's own formula takes the exponential of every masked score a second time. p (t - <p, t>) is the same derivative.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class _Softmax(torch.autograd.Function):
    """softmax along `dim`, with forward mode only."""

    @staticmethod
    def forward(scores: Tensor, dim: int) -> Tensor:
        return torch.softmax(scores, dim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        ctx.dim = inputs[1]
        ctx.save_for_forward(output)

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        (p,) = ctx.saved_tensors
        weighted = p * tangent
        return torch.addcmul(weighted, p, weighted.sum(ctx.dim, keepdim=True), value=-1)


class ForwardSoftmax(TorchFunctionMode):
    """While open, `torch.nn.functional.softmax` has the cheaper forward mode (and no reverse mode)."""

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is not F.softmax or set(kwargs) - {"dim", "dtype"} or len(args) + ("dim" in kwargs) != 2:
            return func(*args, **kwargs)
        scores, dim = args[0], kwargs["dim"] if "dim" in kwargs else args[1]
        dtype = kwargs.get("dtype") or scores.dtype
        return _Softmax.apply(scores.to(dtype), dim)  # type: ignore[no-untyped-call]
