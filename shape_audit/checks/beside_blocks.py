"""What stands beside a decoder's blocks: a table of positions, norms, the bias of the output matrix.

No neighbour tells that it is lost. Which of these every model of a type has, whatever its config says, is known.
"""

from __future__ import annotations

from collections.abc import Iterator

from shape_audit.checks.block_parts import can_tell, is_of_another_type
from shape_audit.checks.checked_model import CheckedModel
from shape_audit.shape import role_of, token_matrices
from shape_audit.shipped import facts


def names_beside(model: CheckedModel) -> Iterator[str]:
    """What stands beside the blocks and is as wide, each by its name there: norms, tables of positions, and the bias of
    the output matrix; not the two matrices of tokens, which may be one."""
    if model.stack is None or model.facts is None:
        return
    tokens = token_matrices(model.tensors, model.facts).embedding
    for name, header in model.tensors.items():
        role, is_as_wide = role_of(name), header.shape[-1:] == (model.facts.hidden_size,)
        if role == "unembedding" and name.endswith(".bias"):
            yield ".".join(name.split(".")[-2:])
        elif role in ("norms", "embedding") and name != tokens and is_as_wide and _stands_beside(model, name):
            yield name.removeprefix(f"{_parent(model)}.")


def lost_beside(model: CheckedModel) -> Iterator[str]:
    """Names of those that every model of the type has, and this one lacks."""
    promised, table = model.facts, facts("block_parts")["beside"]
    if promised is None or model.stack is None or not promised.is_causal_lm:
        return
    if not can_tell(model) or is_of_another_type(model):
        return
    output = [name for name in model.tensors if role_of(name) == "unembedding"]  # none where it is tied
    for name in table.get(promised.text_model_type, "").split():
        whole, role = f"{_parent(model)}.{name}".removeprefix("."), role_of(name)
        if role == "unembedding":
            if output and not any(stored.endswith(".bias") for stored in output):
                yield f"{output[0].removesuffix('.weight')}.bias"
        elif not _is_stored(model, name) and not (role == "norms" and model.lacks_final_norm):
            yield whole


def _is_stored(model: CheckedModel, name: str) -> bool:
    """Beside the blocks, or further out: where `model.` stands twice before the blocks it may stand once before it."""
    steps = _parent(model).split(".")
    return any(".".join((*steps[:count], name)).removeprefix(".") in model.tensors for count in range(len(steps) + 1))


def _parent(model: CheckedModel) -> str:
    return model.stack.prefix.rpartition(".")[0] if model.stack else ""


def _stands_beside(model: CheckedModel, name: str) -> bool:
    return name.rpartition(".")[0].rpartition(".")[0] == _parent(model)
