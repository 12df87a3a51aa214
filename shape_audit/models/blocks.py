"""Finding a model's decoder blocks.

Nothing here knows a model's name. The blocks are the one list of modules that is as long as the config says the model
is deep and whose members are of classes the model itself declares as units (`_no_split_modules`).
"""

from __future__ import annotations

from typing import Any

from torch import nn

from shape_audit.errors import NotAuditableError


def find_blocks(model: nn.Module, depth: int) -> list[nn.Module]:
    """The decoder blocks of a transformers causal LM, in order.

    Raises:
        NotAuditableError: no list of modules, or more than one, can be the stack of `depth` blocks.
    """
    find_decoder: Any = getattr(model, "get_decoder", None)  # of several towers, the text model
    decoder = find_decoder() if find_decoder is not None else model
    lists = _outermost_lists(decoder, depth) or _outermost_lists(model, depth)  # some call their output layer so
    declared = set(getattr(model, "_no_split_modules", None) or ())
    stacks = [m for m in lists if {type(block).__name__ for block in m} <= declared] or lists
    if len(stacks) != 1:
        name = type(model).__name__
        raise NotAuditableError(
            f"{name}: unsupported architecture ({len(stacks)} lists of modules could be its {depth} blocks)"
        )
    return list(stacks[0])


def _outermost_lists(model: nn.Module, depth: int) -> list[nn.ModuleList]:
    """Lists of `depth` modules that lie in no other such list: a block may have as many experts as there are blocks."""
    found = {name: m for name, m in model.named_modules() if isinstance(m, nn.ModuleList) and len(m) == depth}
    return [m for name, m in found.items() if not any(name.startswith(f"{other}.") for other in found)]
