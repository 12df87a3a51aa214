"""What the tensors themselves say: the role of each, the blocks they form, the parameters they hold."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate

from shape_audit.hub import TensorHeader
from shape_audit.records import Ledger
from shape_audit.shape.attention_rows import AttentionRows, attention_rows
from shape_audit.shape.block_stacks import (
    BlockStack,
    block_stacks,
    decoder_blocks,
    is_in_block,
    largest_stack,
    sequence_ends,
)
from shape_audit.shape.config_facts import ConfigFacts
from shape_audit.shape.packed_weights import UnpackedTensors, unpack
from shape_audit.shipped import facts

PASSED = ("attention", "feed_forward", "other")
"""Roles whose matrices every token passes; an embedding is looked up."""
FEW_BLOCKS = 2
"""With a feed-forward part of its own, which may be damaged by itself."""


@dataclass(frozen=True)
class TensorFacts:
    """The shape that tensor headers tell by themselves; None where they do not tell.

    Quantised tensors are taken for the weights they stand for.

    Attributes:
        decoder: the decoder's own blocks; None where no tensor belongs to one.
        stacks: how many stacks of two blocks or more there are, those of MTP left out.
        widths: width of each block, by the length of its own norm; empty where blocks have no norm weights.
        vocab_size, embedding_width: rows and columns of the token embedding.
        added_rows: those of its rows that are stored apart, for added tokens.
        output_rows: rows of the output matrix.
        position_rows: rows of the table of learned positions that stands beside the blocks.
        intermediate_sizes: feed-forward width of each block that has one and no experts.
        uneven_feed_forward: other widths that feed-forward matrices have beside, where such blocks all have some.
        experts: how many experts blocks have, each different answer once.
        attention: what the blocks say of their heads, each different answer once.
        ledger: parameters by role, an unembedding that is stored included; of the text model alone.
        matrix_weights: numbers in the matrices that every token passes: the ledger's attention, feed-forward and other.
        unknown: names of the ledger's `other`, the largest tensors first.
        output_matrix: of the unembedding, the matrix without its bias.
        mtp_blocks, mtp_parameters, mtp_tensors: blocks for multi-token prediction, in no other count.
        other_modalities: parameters of towers and projectors for images or sound.
        stored: how quantised weights are stored.
        non_dense_reason: why the tensors are not those of a dense decoder.
        is_routed: whether that is because a router chooses among experts.
    """

    decoder: BlockStack | None
    stacks: int
    widths: tuple[int, ...]
    vocab_size: int | None
    embedding_width: int | None
    added_rows: int
    output_rows: int | None
    position_rows: int | None
    intermediate_sizes: tuple[int, ...]
    uneven_feed_forward: tuple[int, ...]
    experts: tuple[int, ...]
    attention: tuple[AttentionRows, ...]
    ledger: Ledger
    matrix_weights: int
    unknown: tuple[str, ...]
    output_matrix: int
    mtp_blocks: int
    mtp_parameters: int
    mtp_tensors: frozenset[str]
    other_modalities: int
    stored: UnpackedTensors
    non_dense_reason: str | None
    is_routed: bool

    @property
    def blocks(self) -> int:
        """How many blocks of the decoder are stored."""
        return len(self.decoder.blocks) if self.decoder else 0

    @property
    def intermediate_size(self) -> int | None:
        """The feed-forward width, where all blocks have the same."""
        return self.intermediate_sizes[0] if len(set(self.intermediate_sizes)) == 1 else None


def read_tensors(tensors: Mapping[str, TensorHeader], config: ConfigFacts | None = None) -> TensorFacts:
    """Read the shape of a decoder from its tensor headers.

    Args:
        config: what its config says, of which quantisation, depth and MTP blocks are of use here.
    """
    kept = {name: header for name, header in tensors.items() if not _is_buffer(name, header)}
    stored = unpack(kept, config.quantization if config else None)
    text = _of_text_model(stored.tensors)
    other_modalities = sum(header.numel for name, header in stored.tensors.items() if name not in text)
    ends = sequence_ends(text)
    text = {ends.get(name, name): header for name, header in text.items()}
    depth, num_mtp_blocks = (config.num_hidden_layers, config.num_mtp_blocks) if config else (None, 0)
    blocks = decoder_blocks(text, depth=depth, num_mtp_blocks=num_mtp_blocks, from_zero=bool(ends))
    parameters = {name: header for name, header in text.items() if name not in blocks.mtp_tensors}
    counts: dict[str, int] = dict.fromkeys(Ledger.model_fields, 0)
    for name, header in parameters.items():
        counts[role_of(name)] += header.numel
    unknown = sorted(
        (name for name in parameters if role_of(name) == "other"), key=lambda name: -parameters[name].numel
    )
    by_block = blocks.stack.blocks.values() if blocks.stack else ()
    widths = tuple(width for width in map(_block_width, by_block) if width is not None)
    usual = Counter(widths).most_common(1)
    width = usual[0][0] if usual else config.hidden_size if config else None
    (embedding, added), output = _token_embedding(parameters, config), _output_shape(parameters)
    feed_forward = [_feed_forward_widths(block, _block_width(block) or width) for block in by_block] if width else []
    sizes = [_intermediate_size(widths) for widths in feed_forward]
    rows = [attention_rows(block, _block_width(block) or width) for block in by_block] if width else []
    first = _first_of_each(parameters)
    experts = [name for name in first if _is_expert(name, parameters[name])]
    expert = next(iter(experts or filter(_is_router, first)), None)
    mixer = next((name for name in first if _is_mixer(name, parameters[name])), None)
    return TensorFacts(
        decoder=blocks.stack,
        stacks=sum(len(stack.blocks) > 1 for stack in block_stacks(parameters)),
        widths=widths if len(widths) == len(by_block) else (),
        vocab_size=embedding[0] + added if embedding else None,
        embedding_width=embedding[1] if embedding else None,
        added_rows=added,
        output_rows=output[0] if output else None,
        position_rows=_position_rows(parameters, blocks.stack),
        intermediate_sizes=tuple(size for size in sizes if size),
        uneven_feed_forward=_uneven([widths for widths in feed_forward if widths]),
        experts=tuple(dict.fromkeys(count for count in map(_experts, by_block) if count)),
        attention=tuple(dict.fromkeys(row for row in rows if row)),
        ledger=Ledger(**counts),
        matrix_weights=sum(h.numel for n, h in parameters.items() if len(h.shape) > 1 and role_of(n) in PASSED),
        unknown=tuple(unknown),
        output_matrix=sum(h.numel for n, h in parameters.items() if role_of(n) == "unembedding" and not _is_bias(n)),
        mtp_blocks=blocks.mtp_blocks,
        mtp_parameters=sum(text[name].numel for name in blocks.mtp_tensors),
        mtp_tensors=blocks.mtp_tensors,
        other_modalities=other_modalities,
        stored=stored,
        non_dense_reason=_non_dense_reason(expert, mixer),
        is_routed=expert is not None,
    )


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


_EXPERT = re.compile(r"(?:^|\.)experts\.(\d+)\.")
_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")


@lru_cache(maxsize=2**17)
def _any_block(name: str) -> str:
    """The name with block 0 in the place of any other: patterns are asked once for all of them."""
    return _NUMBER.sub("0", name)


def _is_buffer(name: str, header: TensorHeader) -> bool:
    """Masks and rotary tables that older checkpoints store beside the parameters."""
    return any(len(header.shape) not in but for but in _buffer_rules(_any_block(name)))


@lru_cache(maxsize=2**14)
def _buffer_rules(name: str) -> list[list[int]]:
    """Of each rule that takes the name for a buffer's, the numbers of dimensions for which it does not."""
    return [rule["ndim_not"] for rule in facts("tensor_roles")["buffers"] if _pattern(rule["pattern"]).search(name)]


def _of_text_model(tensors: Mapping[str, TensorHeader]) -> dict[str, TensorHeader]:
    """What is not for images or sound: by the names; and where the decoder and its embedding lie in a part of their own
    (`language_model`), what lies in it, and of the rest the output matrix and blocks for multi-token prediction."""
    table = facts("tensor_roles")
    text = {name: header for name, header in tensors.items() if not _is_other_modality(name)}
    stack = largest_stack(text)
    part = _pattern(table["text_part"]).match(f"{stack.prefix}.") if stack else None
    if part is None or not any(name.startswith(part[0]) and _is_token_embedding(name) for name in text):
        return text
    before = list(accumulate((part[1] or "").split(".")[:-1], lambda outer, name: f"{outer}{name}.", initial=""))
    of_part = (part[0], *(f"{outer}{name}" for outer in before for name in table["beside_text_part"]))
    is_mtp = _pattern(table["mtp"]["prefix"]).search
    return {name: header for name, header in text.items() if name.startswith(of_part) or is_mtp(name)}


def _is_other_modality(name: str) -> bool:
    return _names_other_modality(_any_block(name))


@lru_cache(maxsize=2**14)
def _names_other_modality(name: str) -> bool:
    return bool(_pattern(facts("tensor_roles")["other_modality"]).search(name))


def _is_token_embedding(name: str) -> bool:
    return role_of(name) == "embedding" and not _pattern(facts("tensor_roles")["not_token_embedding"]).search(name)


def _is_bias(name: str) -> bool:
    return name.endswith(".bias")


def role_of(name: str) -> str:
    """The role of a tensor in the ledger, by its name."""
    return _role_of(_any_block(name))


@lru_cache(maxsize=2**14)
def _role_of(name: str) -> str:
    in_block = is_in_block(name)
    for rule in facts("tensor_roles")["roles"]:
        if rule.get("outside_blocks", not in_block) != in_block and _pattern(rule["pattern"]).search(name):
            return str(rule["role"])
    return "other"


def _token_embedding(
    parameters: Mapping[str, TensorHeader], config: ConfigFacts | None
) -> tuple[tuple[int, ...] | None, int]:
    """The shape of the token embedding: of several, that with as many rows as the config has tokens.

    Rows for added tokens may be stored by themselves (Molmo): how many comes second.
    """
    found = {n: h.shape for n, h in parameters.items() if len(h.shape) == 2 and _is_token_embedding(n)}
    more = {n for n in found if _pattern(facts("tensor_roles")["more_token_rows"]).search(n)}
    added = sum(found[name][0] for name in more)
    shapes = [shape for name, shape in found.items() if name not in more]
    rows = (config.embedding_rows or config.vocab_size) if config else None
    promised = (shape for shape in shapes if rows in (shape[0], shape[0] + added))
    return next(promised, shapes[0] if shapes else None), added


@dataclass(frozen=True)
class TokenMatrices:
    """Names of the tensors that hold a vector for each token; the unembedding's where one is stored beside."""

    embedding: str | None
    unembedding: str | None


def token_matrices(tensors: Mapping[str, TensorHeader], config: ConfigFacts | None = None) -> TokenMatrices:
    """Which of a checkpoint's tensors are its token embedding and its output matrix."""
    text = {name: header for name, header in _of_text_model(tensors).items() if len(header.shape) == 2}
    plain = sequence_ends(text)
    shape, _ = _token_embedding({plain.get(name, name): header for name, header in text.items()}, config)
    embeddings = (name for name, header in text.items() if header.shape == shape)
    return TokenMatrices(
        embedding=next((name for name in embeddings if _is_token_embedding(plain.get(name, name))), None),
        unembedding=next((name for name in text if role_of(plain.get(name, name)) == "unembedding"), None),
    )


def _output_shape(parameters: Mapping[str, TensorHeader]) -> tuple[int, ...] | None:
    shapes = (header.shape for name, header in parameters.items() if role_of(name) == "unembedding")
    return next((shape for shape in shapes if len(shape) == 2), None)


def _position_rows(parameters: Mapping[str, TensorHeader], stack: BlockStack | None) -> int | None:
    """Rows of the table of positions beside the blocks; towers for images and sound have theirs elsewhere."""
    parent = stack.prefix.rpartition(".")[0] if stack else ""
    beside = (n for n in parameters if stack and n.rpartition(".")[0].rpartition(".")[0] == parent)
    tables = (parameters[n].shape for n in beside if role_of(n) == "embedding" and not _is_token_embedding(n))
    return next((shape[0] for shape in tables if len(shape) == 2), None)


def _block_width(block: Mapping[str, TensorHeader]) -> int | None:
    """Length of a norm that stands directly in the block (not of one inside attention, which spans a head)."""
    norm = facts("tensor_roles")["roles"][0]["pattern"]
    for name, header in block.items():
        if name.count(".") == 1 and len(header.shape) == 1 and header.numel and _pattern(norm).search(name):
            return header.shape[0]
    return None


def _feed_forward_widths(block: Mapping[str, TensorHeader], width: int) -> list[int]:
    """The dimension that each feed-forward matrix has besides the width.

    None of a block with experts: its routers have a row for each of them, and experts a width of their own.
    """
    table = facts("tensor_roles")
    matrices = {n: h.shape for n, h in block.items() if role_of(f"block.0.{n}") == "feed_forward"}
    if any(_pattern(table["of_experts"]).search(name) for name in matrices):
        return []
    return [
        math.prod(shape) // width
        for name, shape in matrices.items()
        if len(shape) == 2 and width in shape and not _pattern(table["not_the_width"]).search(name)
    ]


def _intermediate_size(widths: list[int]) -> int | None:
    """What most of them have, of two the smaller one (fused gate and up have twice it)."""
    return min(widths, key=lambda size: (-widths.count(size), size), default=None)


def _uneven(by_block: list[list[int]]) -> tuple[int, ...]:
    """Widths that are neither what most matrices of their block have nor twice that, where all blocks have such."""
    sizes = [(_intermediate_size(widths) or 0, widths) for widths in by_block]
    uneven = [{width for width in widths if width not in (size, 2 * size)} for size, widths in sizes]
    return tuple(sorted(set().union(*uneven))) if len(uneven) > FEW_BLOCKS and all(uneven) else ()


def _experts(block: Mapping[str, TensorHeader]) -> int | None:
    """How many experts a block has: by their numbers, or by the first dimension of matrices that are stacked."""
    numbers = {match[1] for name in block if (match := _EXPERT.search(name))}
    stacked = {header.shape[0] for name, header in block.items() if _is_stack_of_experts(f"block.0.{name}", header)}
    return len(numbers) or (stacked.pop() if len(stacked) == 1 else None)


def _is_expert(name: str, header: TensorHeader) -> bool:
    """Whether a tensor is of one of several feed-forward parts: by its name, or because they are stacked in it."""
    return bool(_pattern(facts("tensor_roles")["expert"]).search(name)) or _is_stack_of_experts(name, header)


def _is_router(name: str) -> bool:
    return bool(_pattern(facts("tensor_roles")["router"]).search(name))


def _is_stack_of_experts(name: str, header: TensorHeader) -> bool:
    """Whether a feed-forward matrix has another dimension before its two (not the channels of a convolution)."""
    return len(header.shape) == 3 and min(header.shape) > 1 and role_of(name) == "feed_forward"


def _first_of_each(parameters: Mapping[str, TensorHeader]) -> list[str]:
    """One name of those that differ in block numbers alone."""
    first: dict[str, str] = {}
    for name in parameters:
        first.setdefault(_any_block(name), name)
    return list(first.values())


def _is_mixer(name: str, header: TensorHeader) -> bool:
    """Whether a tensor mixes tokens without attention: a convolution of single channels, or part of a recurrence."""
    is_convolution = len(header.shape) == 3 and header.shape[1] == 1 and is_in_block(name)
    return is_convolution or bool(_pattern(facts("tensor_roles")["mixer"]).search(name))


def _non_dense_reason(expert: str | None, mixer: str | None) -> str | None:
    reasons = [f"it has experts ({expert})"] if expert else []
    reasons += [f"not all of its blocks mix tokens by attention ({mixer})"] if mixer else []
    return ", and ".join(reasons) or None
