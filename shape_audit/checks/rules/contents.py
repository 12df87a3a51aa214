"""SA304, SA309-312, SA317, SA320: the tensors as a whole are those that config.json promises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from shape_audit.checks.block_parts import is_of_another_type, unknown_parts
from shape_audit.checks.checked_model import CheckedModel
from shape_audit.checks.policy import Policy
from shape_audit.checks.rule import Seen, rule
from shape_audit.checks.subjects import BUILDING, EMBEDDING, OUTPUT_MATRIX, SPECIAL_TOKENS, key_of, size
from shape_audit.checks.tensor_groups import ranges
from shape_audit.hub import CONFIG_FILE
from shape_audit.shape import ConfigFacts, TensorFacts, disagreements, quantization_disagreement, token_matrices, tying

_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


@rule(
    "SA304", "config-disagrees", "error",
    why="transformers builds what the config says: weights are then dropped, random, or refused.",
    fix="Correct config.json, or save the weights again.",
    explains=("SA1", "SA2", "SA303", "SA313", "SA317", "SA6"),
)  # fmt: skip
def config_disagrees(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """Type, depth, width, heads, feed-forward width or vocabulary in config.json are not those of the tensors."""
    if model.facts and is_of_another_type(model):
        others = sorted(name.removesuffix(".weight") for name in unknown_parts(model))
        listed = ", ".join(others[:3]) + (" ..." if others[3:] else "")
        seen = f"model_type = {model.facts.text_model_type}, but the tensors show blocks of another type: with {listed}"
        yield Seen(seen, place="model_type", about=(BUILDING, key_of(CONFIG_FILE, "intermediate_size")))
        return
    if model.facts and model.tensor_facts and not model.empty_tensors and not model.almost_empty:
        absent = _gaps(model)
        for field, promised, seen in disagreements(model.facts, model.tensor_facts):
            if _may_be_encoder(model) and (field != "num_hidden_layers" or promised in model.stack_lengths):
                continue
            if field != "num_hidden_layers" or not absent:
                yield Seen(f"{field} = {promised}, but the tensors show {seen}", place=field,
                           about=(*_following(model.facts, field, promised), *_shown(model.tensor_facts, field),
                                  *model.lost_with_files))  # fmt: skip
        if absent and not model.is_compared:
            depth = model.facts.num_hidden_layers or max(absent) + 1
            yield Seen(f"{depth} blocks are promised, but there is no block {ranges(absent)}",
                       file=model.anchor(""), place="blocks", about=model.lost_with_files)  # fmt: skip
        for stack in model.other_stacks if not model.is_compared else ():
            lost = set(range(min(stack.blocks), max(stack.blocks))) - set(stack.blocks)
            if lost and all(block.keys() == stack.usual.keys() for block in stack.blocks.values()):
                yield Seen(f"{stack.prefix} has blocks up to {max(stack.blocks)}, but no block {ranges(lost)}",
                           file=model.anchor(""), place=stack.prefix, about=model.lost_with_files)  # fmt: skip


_HEADS = ("num_attention_heads", "num_key_value_heads", "head_dim")
"""Of which any may be the wrong one where they do not go with the matrices."""


def _following(facts: ConfigFacts, field: str, promised: int) -> Iterator[str]:
    """What a promise that is not kept makes wrong besides: sizes of the matrices that transformers would build."""
    heads, shared, head = facts.num_attention_heads or 0, facts.num_key_value_heads or 0, facts.head_dim or 0
    sizes = {promised}
    if field in ("num_key_value_heads", "head_dim", "hidden_size"):
        sizes |= {heads * head, shared * head, (heads + 2 * shared) * head}
    if field in ("hidden_size", "intermediate_size"):
        sizes |= {2 * promised, 3 * promised, 4 * promised}
    yield from map(size, sorted(sizes))
    yield BUILDING
    if field in _HEADS:
        yield from (key_of(CONFIG_FILE, key) for key in _HEADS)
    if field == "vocab_size":
        yield from (EMBEDDING, OUTPUT_MATRIX, SPECIAL_TOKENS)


def _shown(tensors: TensorFacts, field: str) -> Iterator[str]:
    """The sizes that tensors have instead."""
    if field in _HEADS:
        yield from (size(width) for rows in tensors.attention for width in (rows.query, rows.key, rows.output) if width)
    elif field == "intermediate_size":
        yield from map(size, tensors.uneven_feed_forward)
    elif field == "hidden_size":
        yield from map(size, set(tensors.widths))


def _may_be_encoder(model: CheckedModel) -> bool:
    """Whether the blocks may be those of an encoder, beside the decoder that the config is read for."""
    no_decoder = model.facts is not None and model.facts.is_causal_lm is False
    return no_decoder and model.tensor_facts is not None and model.tensor_facts.stacks > 1


def _gaps(model: CheckedModel) -> set[int]:
    """Blocks that are not there though later ones are."""
    if model.stack is None or model.facts is None:
        return set()
    return set(range(max(model.stack.blocks))) - set(model.stack.blocks) - model.facts.absent_blocks


@rule(
    "SA309", "tied-weights-stored-twice", "warning",
    why="config.json ties the output matrix to the embedding: the second copy is not loaded, and may differ.",
    fix="Save with save_pretrained(), which leaves tied weights out; or set tie_word_embeddings to false.",
)  # fmt: skip
def tied_weights_stored_twice(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """The output matrix is stored though the config ties it to the embedding."""
    facts, tensors = model.facts, model.tensor_facts
    if facts is None or facts.is_causal_lm is False:
        return
    if tensors and facts.tie_word_embeddings and tying(facts, tensors).stored == "both":
        yield Seen(f"tie_word_embeddings is true, yet an output matrix of {tensors.output_matrix:,} numbers is stored",
                   place="tie_word_embeddings")  # fmt: skip


@rule(
    "SA310", "output-matrix-missing", "error",
    why="The model would predict with a random output matrix, or embed with a random embedding.",
    fix="Save the model again with both matrices (under ZeRO-3, gathered). Only if the two were one matrix in "
        "training, set tie_word_embeddings to true.",
    explains=("SA301",),
)  # fmt: skip
def output_matrix_missing(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """The config says untied embeddings, and the output matrix or the embedding is not stored."""
    facts, tensors = model.facts, model.tensor_facts
    if facts is None or tensors is None or not tensors.blocks or facts.is_causal_lm is False:
        return
    if model.empty_tensors or model.almost_empty:
        return  # which says it all
    tie = tying(facts, tensors)
    if tie.fault is not None and not (tie.stored == "output" and _may_be_embedding(model)):
        lost = OUTPUT_MATRIX if tie.stored == "embedding" else EMBEDDING
        yield Seen(tie.fault, place="tie_word_embeddings", about=(lost, *model.lost_with_files))
    elif tie.stored == "neither" and not _may_be_embedding(model):
        seen = "there are blocks, but no tensor that is known as a token embedding"
        yield Seen(seen, file=model.anchor(""), place="embedding", severity="warning",
                   about=(EMBEDDING, *model.lost_with_files))  # fmt: skip


def _may_be_embedding(model: CheckedModel) -> bool:
    """Whether a matrix under an unknown name has the rows of an embedding, or two together have them (Molmo 2)."""
    facts = model.facts
    unknown = model.tensor_facts.unknown if model.tensor_facts else ()
    shapes = [model.tensors[name].shape for name in unknown if name in model.tensors]
    rows = [shape[0] for shape in shapes if facts and len(shape) == 2 and shape[1] == facts.hidden_size]
    wanted = {facts.vocab_size, facts.embedding_rows} - {None} if facts else set()
    return bool(wanted & {*rows, sum(rows[:2])})


@rule(
    "SA317", "output-matrix-rows", "error",
    why="transformers makes both with one vocabulary size, and refuses the other, or replaces it by random numbers.",
    fix="Resize both (resize_token_embeddings), and save the model again.",
    explains=("SA303",),
)  # fmt: skip
def output_matrix_rows(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """The output matrix has another number of rows than the token embedding."""
    tensors = model.tensor_facts
    if tensors is None or not tensors.output_rows or not tensors.vocab_size or _has_packed_tokens(model):
        return
    promised = (model.facts.embedding_rows, model.facts.vocab_size) if model.facts else None
    if model.facts and (model.facts.is_causal_lm is False or (tensors.vocab_size, tensors.output_rows) == promised):
        return  # mllama embeds more tokens than it predicts
    if tensors.output_rows not in (tensors.vocab_size, tensors.vocab_size - tensors.added_rows):
        yield Seen(f"the output matrix has {tensors.output_rows:,} rows, the token embedding {tensors.vocab_size:,}",
                   file=model.anchor(""), place="output matrix",
                   about=(EMBEDDING, OUTPUT_MATRIX))  # fmt: skip


def _has_packed_tokens(model: CheckedModel) -> bool:
    """Whether embedding or output matrix are quantised, and their rows worked out; most often they are left as they
    were."""
    matrices = token_matrices(model.tensors, model.facts)
    names = (matrices.embedding, matrices.unembedding)
    return any(name is None or model.tensors[name].dtype not in _DTYPES for name in names)


@rule(
    "SA311", "mixed-dtypes", "note",
    why="Clients load all in one dtype; what is stored in another is rounded, or takes twice the space for nothing.",
    fix="Cast the model before saving, or accept it in the policy where it is meant (norms in float32).",
)  # fmt: skip
def mixed_dtypes(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """Parameters are stored in more than one floating-point dtype."""
    if model.is_quantized:
        return
    counts: Counter[str] = Counter()
    for header in model.tensors.values():
        if header.dtype in _DTYPES:
            counts[header.dtype] += 1
    if len(counts) > 1:
        words = ", ".join(f"{count} tensors in {_DTYPES[dtype]}" for dtype, count in counts.most_common())
        yield Seen(words, file=model.anchor(""), place="dtype")


@rule(
    "SA312", "dtype-disagrees", "warning",
    why="transformers loads in the config's dtype: numbers are rounded, or memory is doubled, without a word.",
    fix="Set dtype in config.json to what is stored.",
)  # fmt: skip
def dtype_disagrees(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """The dtype in config.json is not the one most parameters are stored in."""
    promised = model.config.get("dtype") or model.config.get("torch_dtype")
    if not isinstance(promised, str) or promised == "auto" or model.is_quantized:
        return
    counts: Counter[str] = Counter()
    for header in model.tensors.values():
        counts[header.dtype] += header.numel
    stored = _DTYPES.get(counts.most_common(1)[0][0]) if counts else None
    if stored and stored != promised.removeprefix("torch."):
        yield Seen(f"dtype is {promised}, but most parameters are stored in {stored}", place="dtype")


@rule(
    "SA320", "quantization-disagrees", "warning",
    why="Loading asks for a package that is not needed, or takes packed numbers for weights.",
    fix="Remove quantization_config from config.json, or save the model with the quantisation it names.",
)  # fmt: skip
def quantization_disagrees(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """The config says quantised and nothing is stored so, or the reverse."""
    if model.facts and model.tensor_facts:
        seen = quantization_disagreement(model.facts.quantization, model.tensor_facts.stored)
        if seen is not None:
            yield Seen(seen, place="quantization_config")
