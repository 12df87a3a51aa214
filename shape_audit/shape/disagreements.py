"""Promises of a config that its tensors do not keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from shape_audit.shape.config_facts import ConfigFacts
from shape_audit.shape.tensor_facts import TensorFacts
from shape_audit.shipped import facts

LARGEST_PADDING = 1024
"""Vocabularies are padded to multiples of powers of two up to this."""

Disagreement = tuple[str, int, str]
"""Field, what the config promises, what the tensors show instead."""

_DISAGREE = "config.json and tensors disagree: "
_OF_SHAPE = ("num_hidden_layers", "hidden_size")
"""Fields by which the depth-width ratio is another one."""


def disagreement_note(field: str, promised: int, seen: str) -> str:
    """What a report notes of a promise that is not kept."""
    return f"{_DISAGREE}{field} = {promised}, but the tensors show {seen}"


def shape_in_doubt(notes: Iterable[str]) -> list[str]:
    """Of a record's notes, those that put its depth or width in doubt: `num_hidden_layers = 6, but the tensors ...`."""
    beginnings = tuple(f"{_DISAGREE}{field} " for field in _OF_SHAPE)
    return [note.removeprefix(_DISAGREE) for note in notes if note.startswith(beginnings)]


def disagreements(config: ConfigFacts, tensors: TensorFacts) -> list[Disagreement]:
    """Every promise that is not kept; a default of the type counts as one, since transformers builds it."""
    depth, width = config.num_hidden_layers, config.hidden_size
    found: list[Disagreement] = []
    if depth and tensors.blocks and config.stored_layers != tensors.blocks:
        found.append(("num_hidden_layers", depth, f"{tensors.blocks} blocks"))
    if width and tensors.widths and width != Counter(tensors.widths).most_common(1)[0][0]:
        found.append(("hidden_size", width, f"blocks of width {widths_in_words(tensors.widths)}"))
    rows = tensors.vocab_size
    if config.vocab_size and rows and not _embedding_rows(config) & _counted_rows(config, tensors, rows):
        found.append(("vocab_size", config.vocab_size, f"an embedding of {rows} rows"))
    added = facts("config_facts")["position_rows"]["added"].get(config.text_model_type)
    positions, table = config.max_position_embeddings, tensors.position_rows
    if added is not None and positions and table and table != positions + added:
        found.append(("max_position_embeddings", positions, f"a table of {table - added} positions"))
    feed_forward, sizes = config.intermediate_size, tensors.intermediate_sizes
    if sizes and (feed_forward not in (None, *sizes) or "intermediate_size" in config.zeros):
        feed_forward = feed_forward or 0
        found.append(("intermediate_size", feed_forward, f"a feed-forward width of {widths_in_words(sizes)}"))
    elif feed_forward and tensors.uneven_feed_forward:
        shown = f"feed-forward matrices of width {widths_in_words(tensors.uneven_feed_forward)} beside others of it"
        found.append(("intermediate_size", feed_forward, shown))
    if config.num_experts and tensors.experts and not {config.num_experts, config.stored_experts} & {*tensors.experts}:
        found.append(("num_experts", config.num_experts, f"{widths_in_words(tensors.experts)} experts a block"))
    follows = "head_dim" in config.defaults and any(field == "hidden_size" for field, *_ in found)
    return found if follows else [*found, *_heads(config, tensors)]


def widths_in_words(widths: tuple[int, ...]) -> str:
    """All of a few, the ends of many."""
    every = sorted(set(widths))
    return ", ".join(map(str, every)) if len(every) <= 3 else f"{every[0]} to {every[-1]}"


def _embedding_rows(config: ConfigFacts) -> set[int]:
    """The numbers of rows that fit the config.

    transformers makes as many as vocab_size says. Of other types the code is not known, and many pad.
    """
    assert config.vocab_size
    if config.embedding_rows is not None:
        return {config.embedding_rows}
    if config.is_known_type:
        return {config.vocab_size}
    multiples = (2**power for power in range(3, LARGEST_PADDING.bit_length()))
    return {config.vocab_size, *(-(-config.vocab_size // multiple) * multiple for multiple in multiples)}


def _counted_rows(config: ConfigFacts, tensors: TensorFacts, rows: int) -> set[int]:
    """What a config may count: code that is not known may add rows of its own, which are stored apart (Molmo)."""
    return {rows} if config.is_known_type else {rows, rows - tensors.added_rows}


def _heads(config: ConfigFacts, tensors: TensorFacts) -> Iterator[Disagreement]:
    """Heads against the attention matrices. Blocks may differ: a promise is kept where one of them keeps it."""
    heads, shared, head_dim = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    first = next((rows for rows in tensors.attention if rows.key), None)
    if first and "head_dim" in config.zeros:
        yield "head_dim", 0, f"queries of width {first.width}"
    if first and "num_key_value_heads" in config.zeros:
        yield "num_key_value_heads", 0, f"keys of width {first.key}"
    if head_dim is None and heads:  # then what all heads give, over their number, where values are as wide as keys
        given = {rows.output / heads for rows in tensors.attention if rows.output and rows.key == rows.value}
        whole = {int(width) for width in given if width == int(width)}
        head_dim = whole.pop() if len(given) == len(whole) == 1 else None
    if not heads or not head_dim or not tensors.attention or config.has_latent_attention:
        return
    unlike = [rows.unlike(heads, shared, head_dim) for rows in tensors.attention]
    if all(unlike):
        default = ", the default of its type" if "head_dim" in config.defaults else ""
        yield "head_dim", head_dim, f"{unlike[0]}, not {heads} heads x {head_dim} = {heads * head_dim}{default}"
    elif shared and not any(rows.key in (None, shared * head_dim) for rows in tensors.attention):
        rows = tensors.attention[0]
        default = ", the default of its type" if "num_key_value_heads" in config.defaults else ""
        shown = f"keys of width {rows.key}, not {shared} heads x {head_dim} = {shared * head_dim}{default}"
        yield "num_key_value_heads", shared, shown
