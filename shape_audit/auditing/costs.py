"""What a model's shape costs: every yardstick asked about it, on its training tokens where they are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shape_audit.errors import NotAuditableError, translate_errors
from shape_audit.hub import parse_model, read_checkpoint
from shape_audit.records import ModelRef, ModelShape, ShapeCost
from shape_audit.shape import describe, known_models
from shape_audit.yardsticks import DEFAULT_YARDSTICK, read_yardstick, shape_costs


def shape_cost(model: str | Path | ModelRef, *, yardstick: str | Sequence[str] = DEFAULT_YARDSTICK) -> list[ShapeCost]:
    """What the depth and width of a model cost in loss, against the best shape of its size; no weights are read.

        shape_audit.shape_cost("org/name")[0].loss_excess     # .003: 0.3 % at equal non-embedding parameters and tokens

    Args:
        model: `org/name`, `org/name@revision`, a folder, or `builtin:NAME`.
        yardstick: gemstones, morph or byte-sweep, the table (CSV) or folder of a sweep; or several.

    Returns:
        For each yardstick the bases (equal non-embedding, equal total parameters) and prices (equal tokens, equal
        training time) that it can tell.

    Raises:
        NotAuditableError: not a dense decoder.
        UsageError: no such yardstick.
        IncompleteError: the model could not be read.
    """
    with translate_errors(str(model)):
        checkpoint = read_checkpoint(parse_model(model))
        reading = describe(checkpoint)
        if not reading.is_causal_lm or not reading.shape.is_dense:
            raise NotAuditableError(f"{checkpoint.repo_id}: costs are known of dense causal language models alone")
        yardsticks = (yardstick,) if isinstance(yardstick, str) else tuple(yardstick)
        name = checkpoint.ref.label if checkpoint.source == "hub" else None
        return costs_of(reading.shape, yardsticks, name) or []


def costs_of(shape: ModelShape, yardsticks: Sequence[str], name: str | None) -> list[ShapeCost] | None:
    """By every yardstick; None where the model is not dense.

    Args:
        name: of a model on the Hub: the shipped table may know the tokens it was trained on.
    """
    if not shape.is_dense or shape.params_non_embedding <= 0:
        return None
    known = known_models().get(name) if name else None
    tokens = known.train_tokens if known else None
    return [cost for name in yardsticks for cost in shape_costs(read_yardstick(name), shape, tokens=tokens)]
