"""Reading the residual stream between a model's decoder blocks. Nothing here knows a model's name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from shape_audit.errors import NotAuditableError
from shape_audit.interaction.stream.sites import Site


@contextmanager
def read_gradients(
    blocks: list[nn.Module],
    sites: Iterable[Site],
    receive: Callable[[Site, Tensor], None],
    *,
    embedding: nn.Module | None = None,
) -> Iterator[list[Tensor]]:
    """While open, one forward of the model prepares its backward to hand each site's gradient to `receive`.

    The graph begins at the first site: the residual stream is cut off there and made a leaf, which is the one tensor
    in the yielded list; differentiating with respect to it reaches all sites, and no weight. Gradients are handed
    over the moment they exist, so none of them is kept.

    Where the first site is the input of block 0, the graph begins at the output of the token embedding already: a model
    that feeds the same tensor into later blocks as well (gemma4's inputs of every layer) has the gradient of all that
    comes of it there, by the stream and by the side path.

    Args:
        blocks: the decoder blocks, in order.
        sites: where to read, at least one.
        receive: gets the site and the gradient (B, T, D).
        embedding: of the tokens; None for one that nothing but block 0 reads.
    """
    positions = {site.position: site for site in sites}
    first = min(positions)
    leaves: list[Tensor] = []

    def at(position: int, hidden_BTD: Any) -> Any:
        site = positions.get(position)
        if site is None:
            return hidden_BTD
        if not isinstance(hidden_BTD, Tensor) or (position != first and not hidden_BTD.requires_grad):
            raise NotAuditableError(
                f"{type(blocks[0]).__name__}: unsupported architecture (no residual stream goes through {site.name})"
            )
        if position == first and not (leaves and hidden_BTD.requires_grad):
            hidden_BTD = hidden_BTD.detach().requires_grad_(True)
            leaves[:] = [hidden_BTD]
        hidden_BTD.register_hook(lambda grad_BTD: receive(site, grad_BTD.detach()))
        return hidden_BTD

    def before_first(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if args:
            return (at(0, args[0]), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": at(0, kwargs.get("hidden_states"))}

    handles = [block.register_forward_hook(changing(partial(at, i + 1))) for i, block in enumerate(blocks)]
    handles.append(blocks[0].register_forward_pre_hook(before_first, with_kwargs=True))
    if embedding is not None and first == 0:
        handles.append(embedding.register_forward_hook(beginning(leaves)))
    try:
        with torch.enable_grad():
            yield leaves
    finally:
        for handle in handles:
            handle.remove()


def beginning(leaves: list[Tensor]) -> Callable[..., Any]:
    """A hook by which the graph begins at a module's first output, which it puts into the list."""

    def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        if not isinstance(output, Tensor) or leaves:
            return output
        leaves.append(output.detach().requires_grad_(True))
        return leaves[0].clone()  # CTRL multiplies it in place, which no leaf allows

    return hook


def changing(change: Callable[[Any], Any]) -> Callable[..., Any]:
    """A hook that changes what a block hands on: its output, or the first member of that."""

    def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        if isinstance(output, tuple | list) and output:
            return with_first(output, change(output[0]))
        return change(output)

    return hook


def with_first(output: Any, first: Any) -> Any:
    """A block's output with another first member: a tuple, a list, or a tuple with names."""
    kind = type(output)
    return kind(first, *output[1:]) if hasattr(output, "_fields") else kind([first, *output[1:]])


@torch.no_grad()
def first_site_not_finite(model: nn.Module, blocks: list[nn.Module], ids_BT: Tensor) -> Site | None:
    """The first site whose activations hold NaN or infinity on these inputs; None where they all are finite."""
    found: list[Site] = []

    def look(position: int, hidden_BTD: Any) -> None:
        if isinstance(hidden_BTD, Tensor) and not torch.isfinite(hidden_BTD).all():
            found.append(Site(position))

    def before_first(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        look(0, args[0] if args else kwargs.get("hidden_states"))

    def after(position: int) -> Callable[..., None]:
        return lambda module, args, output: look(position, output[0] if isinstance(output, tuple | list) else output)

    handles = [block.register_forward_hook(after(i + 1)) for i, block in enumerate(blocks)]
    handles.append(blocks[0].register_forward_pre_hook(before_first, with_kwargs=True))
    try:
        model(input_ids=ids_BT, use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else None
