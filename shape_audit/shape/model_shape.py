"""The shape of a checkpoint: what its config promises, checked against what its tensors say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from shape_audit.errors import NotAuditableError
from shape_audit.hub import Checkpoint, TensorHeader
from shape_audit.records import ModelShape, Serving
from shape_audit.shape.config_facts import ConfigFacts, read_config
from shape_audit.shape.density import BEYOND_CLAIM, ROUTED, non_dense_reason
from shape_audit.shape.disagreements import disagreement_note, disagreements, widths_in_words
from shape_audit.shape.packed_weights import quantization_disagreement
from shape_audit.shape.serving import serving_of
from shape_audit.shape.tensor_facts import TensorFacts, read_tensors
from shape_audit.shape.tying import tying

_PART = re.compile(r"(?:^|\.)\w*attn\.(\d+)\.")
"""One of several attention parts of a block: `self_attn.1.q_proj.weight` (LongCat-Flash)."""

BUILT_FROM = ("num_hidden_layers", "hidden_size", "intermediate_size")
"""Fields by which transformers would build blocks of another number or size."""


@dataclass(frozen=True)
class ShapeReading:
    """A shape, the names that go with it, and what did not fit together.

    Attributes:
        is_causal_lm: False where the config names something else, of which not even the shape is audited.
        refusal: why gradients of this model cannot be measured (not a causal LM, quantised), or None.
        misbuilt: the disagreement because of which transformers would build another model than the weights are of
            (building it could take hours and all memory), or None.
        serving: what running it costs; None where that is not known.
    """

    shape: ModelShape
    architecture: str | None
    model_type: str | None
    notes: tuple[str, ...]
    is_causal_lm: bool
    refusal: str | None
    misbuilt: str | None = None
    serving: Serving | None = None


def untied_shape(shape: ModelShape, checkpoint: Checkpoint) -> ModelShape:
    """The shape of a model whose output matrix was loaded beside the embedding, though its config ties them."""
    tensors = read_tensors(checkpoint.tensors, read_config(checkpoint.config, checkpoint.side_files))
    matrix = tensors.output_matrix
    ledger = shape.ledger.model_copy(update={"unembedding": shape.ledger.unembedding + matrix})
    changes = {"tie_word_embeddings": False, "params_total": shape.params_total + matrix, "ledger": ledger}
    return shape.model_copy(update=changes)


def describe(checkpoint: Checkpoint) -> ShapeReading:
    """Read the shape of a checkpoint, see `shape_of`, and what serving it costs."""
    return described(checkpoint.repo_id, checkpoint.config, checkpoint.tensors, checkpoint.side_files)


def described(
    repo_id: str,
    config: Mapping[str, Any],
    headers: Mapping[str, TensorHeader],
    side_files: Mapping[str, Mapping[str, Any]] | None = None,
) -> ShapeReading:
    """The same of a config.json, the tensor headers and the files beside them."""
    read = read_config(config, side_files)
    tensors = read_tensors(headers, read)
    reading = shape_of(repo_id, read, headers, tensors)
    return replace(reading, serving=serving_of(config, reading.shape, tensors))


def shape_of(
    repo_id: str, config: ConfigFacts, headers: Mapping[str, TensorHeader], tensors: TensorFacts | None = None
) -> ShapeReading:
    """The shape that a config and tensor headers tell. Where they disagree, the config stands and a note says so.

    Args:
        tensors: what `read_tensors` says of the headers, where that is known.

    Raises:
        CorruptFileError: a config field has an impossible value.
        NotAuditableError: neither config nor tensors tell the depth or the width.
    """
    if tensors is None:
        tensors = read_tensors(headers, config)
    depth = config.num_hidden_layers or (tensors.blocks if tensors.stacks == 1 else None)
    width = config.hidden_size or next(iter(tensors.widths), None) or tensors.embedding_width
    if not depth or not width:
        missing = "width" if depth else "depth"
        kind = f"model type {config.model_type}" if config.model_type else "its config names no model type"
        raise NotAuditableError(f"{repo_id}: no {missing} in config or tensors ({kind})")
    tied = tying(config, tensors)
    ledger = tied.counted_once(tensors.ledger)
    total = sum(ledger.model_dump().values())
    intermediate = config.intermediate_size or tensors.intermediate_size
    heads, key_value_heads, head_dim = _heads(config, tensors)
    non_dense = non_dense_reason(config, tensors)
    shape = ModelShape(
        num_hidden_layers=depth,
        hidden_size=width,
        r_dw=depth / width,
        intermediate_size=intermediate,
        feed_forward_ratio=intermediate / width if intermediate else None,
        num_attention_heads=heads,
        num_key_value_heads=key_value_heads,
        head_dim=head_dim,
        vocab_size=config.vocab_size or tensors.vocab_size or tensors.output_rows,
        max_position_embeddings=config.max_position_embeddings,
        tie_word_embeddings=tied.is_tied,
        is_dense=non_dense is None,
        params_total=total,
        params_non_embedding=total - ledger.embedding - ledger.unembedding,
        ledger=ledger,
        widths=list(tensors.widths) if len(set(tensors.widths)) > 1 else None,
        num_mtp_blocks=tensors.mtp_blocks,
        params_mtp=tensors.mtp_parameters,
        quantization=config.quantization.label if config.quantization else None,
        quantization_scales=tensors.stored.scales,
    )
    notes = (
        *_disagreement_notes(config, tensors),
        *([tied.note] if tied.note else ()),
        *_by_layer(config, tensors),
        *_left_out(config, tensors),
        *_unknown_roles(shape, tensors),
        *_beyond(non_dense, tensors),
    )
    return ShapeReading(
        shape=shape,
        architecture=config.architecture,
        model_type=config.model_type,
        notes=notes,
        is_causal_lm=config.is_causal_lm is not False,
        refusal=_refusal(config, shape) or _integer_weights(headers),
        misbuilt=next(
            (disagreement_note(*found) for found in disagreements(config, tensors) if found[0] in BUILT_FROM), None
        ),
    )


def _heads(config: ConfigFacts, tensors: TensorFacts) -> tuple[int | None, int | None, int | None]:
    """Heads, key/value heads and head_dim: the config's and its type's, and what these leave open by the tensors."""
    heads, shared, head_dim = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    width = _agreed(rows.width for rows in tensors.attention)
    key, head = _agreed(rows.key for rows in tensors.attention), _agreed(rows.head for rows in tensors.attention)
    if head_dim is None:
        head_dim = head or (width // heads if width and heads and width % heads == 0 else None)
    if heads is None and head_dim and width:
        heads = width // head_dim
    if shared is None and head_dim and key:
        shared = key // head_dim
    return heads, shared, head_dim


def _agreed(values: Iterable[int | None]) -> int | None:
    """The one value of all blocks that show it."""
    found = {value for value in values if value is not None}
    return found.pop() if len(found) == 1 else None


def _disagreement_notes(config: ConfigFacts, tensors: TensorFacts) -> Iterator[str]:
    yield from (disagreement_note(*found) for found in disagreements(config, tensors))
    if len(set(tensors.widths)) > 1:
        widths = widths_in_words(tensors.widths)
        yield f"the width is not uniform: {widths}; R_D/W uses the config's hidden_size"
    if (fault := quantization_disagreement(config.quantization, tensors.stored)) is not None:
        yield fault


def _by_layer(config: ConfigFacts, tensors: TensorFacts) -> Iterator[str]:
    """What differs from layer to layer, so that the shape has no single number for it; and layers of several parts."""
    parts = {match[1] for name in tensors.decoder.usual if (match := _PART.search(name))} if tensors.decoder else ()
    if len(parts) > 1:
        every = f"{len(parts) * tensors.blocks} in all, which some count as layers"
        yield f"each of the {tensors.blocks} layers holds {len(parts)} attention parts: {every}"
    if config.intermediate_size is None and len(set(tensors.intermediate_sizes)) > 1:
        yield f"the feed-forward width varies by layer: {widths_in_words(tensors.intermediate_sizes)}"
    of_heads = {
        "attention heads": (config.num_attention_heads, [rows.width for rows in tensors.attention]),
        "key/value heads": (config.num_key_value_heads, [rows.key for rows in tensors.attention]),
    }
    head_dim = _heads(config, tensors)[2]
    for what, (promised, widths) in of_heads.items():
        seen = tuple(width // (head_dim or 1) for width in widths if width)
        if promised is None and len(set(seen)) > 1:
            unit = f"of width {head_dim}" if head_dim else "in width, all together"
            yield f"the {what} vary by layer: {widths_in_words(seen)} {unit}"


def _left_out(config: ConfigFacts, tensors: TensorFacts) -> Iterator[str]:
    """What the parameter counts do not count."""
    if tensors.ledger.embedding == 0 and not tensors.output_matrix:
        yield "no embedding was recognised among the tensors: params_non_embedding counts it"
    if tensors.mtp_blocks:
        are = "block is" if tensors.mtp_blocks == 1 else "blocks are"
        yield (
            f"{tensors.mtp_blocks} {are} for multi-token prediction (MTP): {tensors.mtp_parameters:,} parameters, "
            "which are neither in the depth nor in the totals"
        )
    if tensors.other_modalities:
        yield f"the text model alone: {tensors.other_modalities:,} parameters for images or sound are left out"
    if tensors.stored.uncounted:
        method = config.quantization.name if config.quantization else "nothing says how"
        yield f"quantised ({method}): counted as packed, so the totals are not the model's"


def _unknown_roles(shape: ModelShape, tensors: TensorFacts) -> Iterator[str]:
    if not shape.has_known_roles:
        share, example = f"{100 * shape.ledger.other / shape.params_total:.0f} %", tensors.unknown[0]
        yield f"the ledger has no role for {share} of the parameters, {example} for example"


def _beyond(non_dense: str | None, tensors: TensorFacts) -> Iterator[str]:
    """What is not what the paper's claim is about."""
    if non_dense:
        yield f"not dense: {non_dense}; {BEYOND_CLAIM}"
    if tensors.is_routed:
        yield ROUTED


def _refusal(config: ConfigFacts, shape: ModelShape) -> str | None:
    if config.is_causal_lm is False:
        return f"not a causal language model ({config.architecture or 'encoder-decoder'})"
    if shape.widths is not None:
        return "its blocks differ in width"
    stored = (config.stored_layers or shape.num_hidden_layers) + len(config.absent_blocks)
    if stored < shape.num_hidden_layers:
        return "it runs its blocks more than once, so no one residual stream goes through them"
    if config.quantization is not None:
        return f"quantised weights ({config.quantization.name}) are not measured; audit the unquantised model"
    return None


def _integer_weights(headers: Mapping[str, TensorHeader]) -> str | None:
    """Weights that are mostly no floating-point numbers, though the config speaks of no quantisation."""
    floating = sum(header.numel for header in headers.values() if header.dtype.startswith(("F", "BF")))
    every = sum(header.numel for header in headers.values())
    return "its weights are stored as integers" if 2 * floating < every else None
