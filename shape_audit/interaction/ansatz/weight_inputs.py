"""Gradients of the loss at the tensors that feed the weights: the output of the embedding, and what each norm hands on.

The gradient is the total one, over all paths from that tensor to the loss, and needs no formula of any norm: it is read
at the very tensor a module is called with. q, k and v of a block are called with the same tensor, up and gate with
another; it is read once and counts for all of them. Where a model normalises afterwards (olmo2) the tensor is the
residual stream itself, and in parallel blocks attention and MLP may share theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn

from shape_audit.calibration import Window
from shape_audit.errors import NonFiniteError, NotAuditableError
from shape_audit.interaction.ansatz.reading_matrices import EMBEDDING, ReadingMatrix
from shape_audit.interaction.estimators.sums import SiteSums
from shape_audit.models import model_faults, model_logits, window_losses


class WeightInputs:
    """AGOP sums at every tensor that feeds a reading matrix.

    Attributes:
        sums: one for each distinct tensor, under the module that reads it first (the embedding's under its own).
        source: module -> the key in `sums` of the tensor it reads.
    """

    def __init__(self, model: nn.Module, matrices: Sequence[ReadingMatrix]) -> None:
        """Prepare a pass.

        Args:
            model: a causal LM in eval mode, no weight requiring gradients.
            matrices: as `find_matrices` gives them for the names of its modules.
        """
        self.model = model
        self.modules = {matrix.module: model.get_submodule(matrix.module) for matrix in matrices}
        self.embedding = next(matrix.module for matrix in matrices if matrix.name == EMBEDDING)
        self.sums: dict[str, SiteSums] = {}
        self.source: dict[str, str] = {}

    def add(
        self,
        windows: Sequence[Window],
        *,
        micro_batch: int,
        progress: Callable[[int], None] = lambda windows_done: None,
    ) -> None:
        """Run all windows and add the gradients of their summed next-token losses (nats).

        Raises:
            NonFiniteError: a loss or gradient is not finite.
            NotAuditableError: the model does not call each of these modules once with a (B, T, D) tensor.
        """
        device = next(self.model.parameters()).device
        for first in range(0, len(windows), micro_batch):
            batch = windows[first : first + micro_batch]
            ids_BL = torch.tensor([window.input_ids for window in batch], device=device)
            self.add_micro_batch(ids_BL, first)
            progress(first + len(batch))
        for name, sums in self.sums.items():
            if not torch.isfinite(sums.rows().energy_K).all():
                raise NonFiniteError(f"the gradient that feeds {name} is not finite; try --dtype float32 or float64")

    def add_micro_batch(self, ids_BL: Tensor, first: int) -> None:
        """Add windows of L = T + 1 ids, numbered from `first`. Raises as `add` does."""
        shape = (len(ids_BL), ids_BL.shape[1] - 1)
        reached: set[str] = set()

        def receive(name: str, grad: Tensor) -> None:
            if grad.numel() != shape[0] * shape[1] * grad.shape[-1] or name in reached:
                raise NotAuditableError(f"{type(self.model).__name__}: {name} does not read each token once")
            reached.add(name)
            grad_BTD = grad.reshape(*shape, -1)  # OPT's MLP has B and T in one dimension
            if name not in self.sums:
                device = torch.device("cpu") if grad.device.type == "mps" else grad.device  # mps has no float64
                self.sums[name] = SiteSums.zeros(grad.shape[-1], dtype=grad.dtype, device=device)
            self.sums[name].add(grad_BTD, first)

        with self._hooked(receive) as (leaves, source):
            losses_B = window_losses(model_logits(self.model, ids_BL[:, :-1]), ids_BL[:, 1:])
            if len(leaves) == 1:
                with model_faults(self.model):
                    torch.autograd.grad(losses_B.sum(), leaves)
        missing = set(self.modules) - set(source) | set(source.values()) - reached
        if missing:
            raise NotAuditableError(f"{type(self.model).__name__}: no gradient is found at {min(missing)}")
        if self.source not in ({}, source):
            raise NotAuditableError(f"{type(self.model).__name__}: it does not run the same way twice")
        self.source = source

    @contextmanager
    def _hooked(self, receive: Callable[[str, Tensor], None]) -> Iterator[tuple[list[Tensor], dict[str, str]]]:
        """While open, one forward prepares its backward to hand over each tensor's gradient the moment it exists.

        The graph begins at the embedding's output, cut off there and made a leaf: the one in the yielded list. The
        yielded mapping is `source`, filled in as modules are called.
        """
        leaves: list[Tensor] = []
        source: dict[str, str] = {}
        names: dict[int, str] = {}
        alive: WeakValueDictionary[int, Tensor] = WeakValueDictionary()  # an id counts as long as its tensor lives

        def watch(name: str, fed: Any) -> None:
            is_on_the_stream = isinstance(fed, Tensor) and fed.requires_grad
            if not is_on_the_stream or name in source:
                raise NotAuditableError(f"{type(self.model).__name__}: {name} is not called once on the stream")
            if alive.get(id(fed)) is not fed:
                alive[id(fed)], names[id(fed)] = fed, name
                fed.register_hook(lambda grad: receive(name, grad.detach()))
            source[name] = names[id(fed)]

        def begin(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
            leaves.append(output.detach().requires_grad_(True))
            watch(self.embedding, leaves[-1])
            return leaves[-1].clone()  # CTRL multiplies it in place, which no leaf allows

        def before(name: str) -> Callable[..., None]:
            return lambda module, args: watch(name, args[0] if args else None)

        handles = [
            module.register_forward_pre_hook(before(name))
            for name, module in self.modules.items()
            if name != self.embedding
        ]
        handles.append(self.modules[self.embedding].register_forward_hook(begin))
        try:
            with torch.enable_grad():
                yield leaves, source
        finally:
            for handle in handles:
                handle.remove()
