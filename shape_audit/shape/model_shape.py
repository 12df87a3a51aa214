"""The shape of a checkpoint: what its config promises, checked against what its tensors say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shape_audit.errors import NotAuditableError
from shape_audit.hub import Checkpoint, TensorHeader
from shape_audit.records import ModelShape
from shape_audit.shape.config_facts import ConfigFacts, read_config
from shape_audit.shape.density import BEYOND_CLAIM, ROUTED, non_dense_reason
from shape_audit.shape.shipped_data import facts
from shape_audit.shape.tensor_facts import TensorFacts, read_tensors

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
    """

    shape: ModelShape
    architecture: str | None
    model_type: str | None
    notes: tuple[str, ...]
    is_causal_lm: bool
    refusal: str | None
    misbuilt: str | None = None


def describe(checkpoint: Checkpoint) -> ShapeReading:
    """Read the shape of a checkpoint, see `shape_of`."""
    return shape_of(checkpoint.repo_id, read_config(checkpoint.config), checkpoint.tensors)


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
        tensors = read_tensors(headers, packed_bits=config.quantization.bits if config.quantization else None)
    depth = config.num_hidden_layers or (tensors.blocks if tensors.stacks == 1 else None)
    width = config.hidden_size or next(iter(tensors.widths), None) or tensors.embedding_width
    if not depth or not width:
        missing = "width" if depth else "depth"
        kind = f"model type {config.model_type}" if config.model_type else "its config names no model type"
        raise NotAuditableError(f"{repo_id}: no {missing} in config or tensors ({kind})")
    tied, tie_notes = _tying(config, tensors)
    ledger = tensors.ledger
    if tied:
        ledger = ledger.model_copy(update={"unembedding": ledger.unembedding - tensors.output_matrix})
    total = sum(ledger.model_dump().values())
    intermediate = config.intermediate_size or tensors.intermediate_size
    head_dim = config.head_dim
    if head_dim is None and config.num_attention_heads and width % config.num_attention_heads == 0:
        head_dim = width // config.num_attention_heads
    non_dense = non_dense_reason(config, tensors)
    shape = ModelShape(
        num_hidden_layers=depth,
        hidden_size=width,
        r_dw=depth / width,
        intermediate_size=intermediate,
        feed_forward_ratio=intermediate / width if intermediate else None,
        num_attention_heads=config.num_attention_heads,
        num_key_value_heads=config.num_key_value_heads,
        head_dim=head_dim,
        vocab_size=config.vocab_size or tensors.vocab_size,
        max_position_embeddings=config.max_position_embeddings,
        tie_word_embeddings=tied,
        is_dense=non_dense is None,
        params_total=total,
        params_non_embedding=total - ledger.embedding - ledger.unembedding,
        ledger=ledger,
        widths=list(tensors.widths) if len(set(tensors.widths)) > 1 else None,
    )
    return ShapeReading(
        shape=shape,
        architecture=config.architecture,
        model_type=config.model_type,
        notes=(
            *_disagreement_notes(config, tensors),
            *tie_notes,
            *_left_out(config, tensors),
            *_beyond(non_dense, tensors),
        ),
        is_causal_lm=config.is_causal_lm is not False,
        refusal=_refusal(config, shape) or _integer_weights(headers),
        misbuilt=next((_sentence(*found) for found in disagreements(config, tensors) if found[0] in BUILT_FROM), None),
    )


def disagreements(config: ConfigFacts, tensors: TensorFacts) -> list[tuple[str, int, str]]:
    """(field, what the config promises, what the tensors show instead) of every promise that is not kept."""
    widths = _in_words(tensors.widths)
    says_nothing = config.quantization or non_dense_reason(config, tensors)  # packed shapes; those of single experts
    feed_forward = None if says_nothing else tensors.intermediate_size
    depth = "num_hidden_layers" if config.num_layers_per_stack is None else "num_layers_per_stack"
    beyond = facts("config_facts")["embedding_rows_beyond_vocab_size"]["rows"].get(config.text_model_type, 0)
    vocabulary = None if tensors.vocab_size is None else tensors.vocab_size - beyond
    checks = [
        (depth, getattr(config, depth), tensors.blocks or None, f"{tensors.blocks} blocks"),
        ("hidden_size", config.hidden_size, next(iter(tensors.widths), None), f"blocks of width {widths}"),
        ("vocab_size", config.vocab_size, vocabulary, f"an embedding of {tensors.vocab_size} rows"),
        ("intermediate_size", config.intermediate_size, feed_forward, f"a feed-forward width of {feed_forward}"),
    ]  # fmt: skip
    return [
        (field, promised, seen_in_words)
        for field, promised, seen, seen_in_words in checks
        if promised is not None and seen is not None and promised != seen
    ]


def _sentence(field: str, promised: int, seen: str) -> str:
    return f"config.json and tensors disagree: {field} = {promised}, but the tensors show {seen}"


def _disagreement_notes(config: ConfigFacts, tensors: TensorFacts) -> list[str]:
    notes = [_sentence(*found) for found in disagreements(config, tensors)]
    if len(set(tensors.widths)) > 1:
        notes.append(f"the width is not uniform: {_in_words(tensors.widths)}; R_D/W uses the config's hidden_size")
    return notes


def _in_words(widths: tuple[int, ...]) -> str:
    return ", ".join(str(width) for width in sorted(set(widths)))


def _tying(config: ConfigFacts, tensors: TensorFacts) -> tuple[bool, list[str]]:
    """Whether the output matrix is the embedding, and what is odd about it."""
    stored = tensors.output_matrix > 0
    if not stored:
        odd = config.tie_word_embeddings is False
        return True, ["config.json says untied embeddings, but no output matrix is stored"] if odd else []
    tied = config.tie_word_embeddings
    if tied is None:
        tied = config.text_model_type in facts("config_facts")["tied_when_silent"]
    return tied, ["the tied output matrix is stored too; it is counted once"] if tied else []


def _left_out(config: ConfigFacts, tensors: TensorFacts) -> list[str]:
    """What the parameter counts do not count."""
    notes = []
    if tensors.ledger.embedding == 0:
        notes.append("no embedding was recognised among the tensors: params_non_embedding counts it")
    if tensors.other_modalities:
        notes.append(f"the text model alone: {tensors.other_modalities:,} parameters for images or sound are left out")
    if config.quantization is not None and config.quantization.bits is None:
        notes.append(f"quantised ({config.quantization.method}): counted as packed, so the totals are not the model's")
    return notes


def _beyond(non_dense: str | None, tensors: TensorFacts) -> list[str]:
    notes = [f"not dense: {non_dense}; {BEYOND_CLAIM}"] if non_dense else []
    return notes + ([ROUTED] if tensors.is_routed else [])


def _refusal(config: ConfigFacts, shape: ModelShape) -> str | None:
    if config.is_causal_lm is False:
        return f"not a causal language model ({config.architecture or 'encoder-decoder'})"
    if shape.widths is not None:
        return "its blocks differ in width"
    if config.num_layers_per_stack is not None:
        return "it runs its blocks more than once (num_layers_per_stack), so no one residual stream goes through them"
    if config.quantization is not None:
        return f"quantised weights ({config.quantization.method}) are not measured; audit the unquantised model"
    return None


def _integer_weights(headers: Mapping[str, TensorHeader]) -> str | None:
    """Weights that are mostly no floating-point numbers, though the config speaks of no quantisation."""
    floating = sum(header.numel for header in headers.values() if header.dtype.startswith(("F", "BF")))
    every = sum(header.numel for header in headers.values())
    return "its weights are stored as integers" if 2 * floating < every else None
