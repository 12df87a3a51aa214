"""Which weight matrices read the residual stream, seen in one forward pass: for model types that no table knows.

Within a block the stream is the block's input, and that plus (a multiple of) what one of the block's modules gave: the
sum after attention. A linear layer reads the stream if it is called with the stream itself, or with what a norm makes
of it. Fused matrices (q, k and v in one) are left whole: how their rows are divided cannot be seen.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from shape_audit.errors import NotAuditableError
from shape_audit.interaction.ansatz.reading_matrices import (
    BLOCK_ROLES,
    EMBEDDING,
    UNEMBEDDING,
    ReadingMatrix,
    UnknownLayoutError,
    find_matrices,
    roles_by_name,
)
from shape_audit.models import find_blocks

LOOKED_AT = 8
"""Inputs of the forward pass."""
PARALLEL = 1 - 1e-4
"""Cosine of two vectors that are the same but for rounding."""


def matrices_of(model: Any) -> list[ReadingMatrix]:
    """The reading matrices of a loaded model: by the table, or seen where that does not know the model's type.

    Raises:
        NotAuditableError: as `find_matrices` and `seen_matrices` say.
    """
    try:
        return find_matrices(model.config, dict(model.named_modules()))
    except UnknownLayoutError:
        return seen_matrices(model)


@torch.no_grad()
def seen_matrices(model: Any) -> list[ReadingMatrix]:
    """The embedding, block by block every linear layer that reads the stream, the unembedding.

    A layer's role is that of its name (`q_proj` is q); one whose name says nothing has its place as its role, such as
    `mlp-router`.

    Raises:
        NotAuditableError: no linear layer of some block reads the stream, or embedding or unembedding is no module.
    """
    names = {module: name for name, module in model.named_modules()}
    ends = [model.get_input_embeddings(), model.get_output_embeddings()]
    if any(end not in names for end in ends):
        raise NotAuditableError(f"{type(model).__name__}: has no embedding or no unembedding among its modules")
    blocks = find_blocks(model, model.config.get_text_config().num_hidden_layers)
    watched = [_Block(block) for block in blocks]
    try:
        device = ends[0].weight.device if ends[0].weight.device.type != "meta" else next(model.parameters()).device
        ids_1T = torch.arange(1, LOOKED_AT + 1, device=device).unsqueeze(0) % ends[0].weight.shape[0]
        model(input_ids=ids_1T, use_cache=False)
    finally:
        for block in watched:
            block.let_go()
    found = [ReadingMatrix(EMBEDDING, names[ends[0]])]
    for number, block in enumerate(watched):
        if not block.readers:
            raise NotAuditableError(f"{type(model).__name__}: no linear layer of block {number} reads the stream")
        found += _named(number, names[block.module], [names[reader] for reader in block.readers], model)
    return [*found, ReadingMatrix(UNEMBEDDING, names[ends[1]])]


def _named(number: int, block: str, modules: list[str], model: nn.Module) -> list[ReadingMatrix]:
    """The matrices of one block, known roles first."""
    matrices, roles = [], roles_by_name()
    for module in modules:
        place = module.removeprefix(f"{block}.")
        role = roles.get(place.rpartition(".")[2], place.replace(".", "-"))
        matrices.append((role, module))
    taken = [role for role, _ in matrices]
    matrices = [
        (role if taken.count(role) == 1 else module.removeprefix(f"{block}.").replace(".", "-"), module)
        for role, module in matrices
    ]
    matrices.sort(key=lambda pair: BLOCK_ROLES.index(pair[0]) if pair[0] in BLOCK_ROLES else len(BLOCK_ROLES))
    return [
        ReadingMatrix(f"block.{number}.{role}", module, is_transposed=_is_conv1d(model.get_submodule(module)))
        for role, module in matrices
    ]


class _Block:
    """What is seen of one block while a forward pass goes through it.

    Attributes:
        readers: linear layers that read the stream, in the order of their calls.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.readers: list[nn.Module] = []
        self._input: Tensor | None = None
        self._given: list[Tensor] = []  # what modules gave, of the stream's shape
        self._normed: list[Tensor] = []
        self._handles = [module.register_forward_pre_hook(self._begin, with_kwargs=True)]
        for inner in module.modules():
            if inner is not module:
                self._handles.append(inner.register_forward_hook(self._after, with_kwargs=True))
                if isinstance(inner, nn.Linear) or _is_conv1d(inner):
                    self._handles.append(inner.register_forward_pre_hook(self._linear))

    def let_go(self) -> None:
        """Remove all hooks and forget all tensors but what was found."""
        for handle in self._handles:
            handle.remove()
        self._input, self._given, self._normed = None, [], []

    def _begin(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        fed = args[0] if args else kwargs.get("hidden_states")
        self._input = fed if isinstance(fed, Tensor) and fed.ndim == 3 else None

    def _after(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        given = output[0] if isinstance(output, tuple | list) and output else output
        if self._input is None or not isinstance(given, Tensor) or given.numel() != self._input.numel():
            return
        fed = args[0] if args else kwargs.get("hidden_states")
        if "norm" in type(module).__name__.lower() and isinstance(fed, Tensor) and self._is_stream(fed):
            self._normed.append(given)
        self._given.append(given)

    def _linear(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        fed = args[0] if args else None
        if isinstance(fed, Tensor) and (any(_is_same(fed, normed) for normed in self._normed) or self._is_stream(fed)):
            self.readers.append(module)

    def _is_stream(self, tensor: Tensor) -> bool:
        """Whether it is the block's input, or that and a multiple of what one module gave."""
        if self._input is None or tensor.numel() != self._input.numel():
            return False
        if _is_same(tensor, self._input):
            return True
        added = (tensor.reshape(-1) - self._input.reshape(-1)).double()
        return any(_are_parallel(added, given.reshape(-1).double()) for given in self._given)


def _is_same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same memory, whatever their shapes: OPT's MLP has B and T in one dimension."""
    return one.numel() == other.numel() and one.data_ptr() == other.data_ptr()


def _are_parallel(one: Tensor, other: Tensor) -> bool:
    return float((one @ other).abs()) > PARALLEL * float(one.norm() * other.norm()) > 0


def _is_conv1d(module: nn.Module) -> bool:
    """GPT-2's linear layer, stored as (in, out)."""
    return type(module).__name__ == "Conv1D"
