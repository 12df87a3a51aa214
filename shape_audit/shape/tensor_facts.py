"""What the tensors themselves say: the role of each, the blocks they form, the parameters they hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from shape_audit.hub import TensorHeader, element_bits
from shape_audit.records import Ledger
from shape_audit.shape.block_stacks import block_stacks, is_in_block
from shape_audit.shape.shipped_data import facts


@dataclass(frozen=True)
class TensorFacts:
    """The shape that tensor headers tell by themselves; None where they do not tell.

    Attributes:
        blocks: number of distinct block indices of the largest stack.
        stacks: how many stacks of two blocks or more there are.
        widths: width of each block, by the length of its own norm; empty where blocks have no norm weights.
        vocab_size, embedding_width: rows and columns of the token embedding.
        intermediate_size: feed-forward width of the first block.
        ledger: parameters by role, an unembedding that is stored included; of the text model alone.
        output_matrix: of the unembedding, the matrix without its bias.
        other_modalities: parameters of towers and projectors for images or sound.
        non_dense_reason: why the tensors are not those of a dense decoder.
        is_routed: whether that is because a router chooses among experts.
    """

    blocks: int
    stacks: int
    widths: tuple[int, ...]
    vocab_size: int | None
    embedding_width: int | None
    intermediate_size: int | None
    ledger: Ledger
    output_matrix: int
    other_modalities: int
    non_dense_reason: str | None
    is_routed: bool


def read_tensors(tensors: Mapping[str, TensorHeader], *, packed_bits: int | None = None) -> TensorFacts:
    """Read the shape of a decoder from its tensor headers.

    Args:
        packed_bits: of quantised weights, the bits of one: integer tensors then hold several weights an element, and
            are taken as rows of single weights, whose number is right and whose shape says nothing.
    """
    everything = {name: header for name, header in tensors.items() if not _is_buffer(name, header)}
    if packed_bits is not None:
        everything = _unpacked(everything, packed_bits)
    parameters = {name: header for name, header in everything.items() if not _is_other_modality(name)}
    counts: dict[str, int] = dict.fromkeys(Ledger.model_fields, 0)
    for name, header in parameters.items():
        counts[_role(name)] += header.numel
    stacks = block_stacks(parameters)
    blocks = max(stacks, key=lambda stack: stack.parameters).blocks if stacks else {}
    widths = [_block_width(block) for block in blocks.values()]
    token_embedding = next(
        (h for n, h in parameters.items() if _role(n) == "embedding" and not _is_position_embedding(n)), None
    )
    rows, columns = token_embedding.shape if token_embedding and len(token_embedding.shape) == 2 else (None, None)
    known_widths = tuple(width for width in widths if width is not None)
    expert = next((name for name in parameters if _pattern(facts("tensor_roles")["expert"]).search(name)), None)
    mixer = next((name for name, header in parameters.items() if _is_mixer(name, header)), None)
    return TensorFacts(
        blocks=len(blocks),
        stacks=sum(len(stack.blocks) > 1 for stack in stacks),
        widths=known_widths if len(known_widths) == len(widths) else (),
        vocab_size=rows,
        embedding_width=columns,
        intermediate_size=_intermediate_size(blocks[min(blocks)], known_widths[:1]) if blocks else None,
        ledger=Ledger(**counts),
        output_matrix=sum(h.numel for n, h in parameters.items() if _role(n) == "unembedding" and len(h.shape) == 2),
        other_modalities=sum(header.numel for name, header in everything.items() if name not in parameters),
        non_dense_reason=_non_dense_reason(expert, mixer),
        is_routed=expert is not None,
    )


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


def _is_buffer(name: str, header: TensorHeader) -> bool:
    """Masks and rotary tables that older checkpoints store beside the parameters."""
    return any(
        _pattern(rule["pattern"]).search(name) and len(header.shape) not in rule["ndim_not"]
        for rule in facts("tensor_roles")["buffers"]
    )


def _unpacked(tensors: Mapping[str, TensorHeader], bits: int) -> dict[str, TensorHeader]:
    """Quantised weights as so many single weights; their scales, zero points and maps left out."""
    table = facts("tensor_roles")
    side = _pattern(table["quantization_side_tensors"])
    unpacked = {}
    for name, header in tensors.items():
        if side.search(name):
            continue
        if header.dtype in table["packed_dtypes"]:
            header = TensorHeader(header.dtype, (header.numel * element_bits(header.dtype) // bits,))
        unpacked[name] = header
    return unpacked


def _is_other_modality(name: str) -> bool:
    return bool(_pattern(facts("tensor_roles")["other_modality"]).search(name))


def _is_position_embedding(name: str) -> bool:
    return bool(_pattern(facts("tensor_roles")["position_embedding"]).search(name))


@lru_cache(maxsize=2**17)
def _role(name: str) -> str:
    in_block = is_in_block(name)
    for rule in facts("tensor_roles")["roles"]:
        if rule.get("outside_blocks", not in_block) != in_block and _pattern(rule["pattern"]).search(name):
            return str(rule["role"])
    return "other"


def _block_width(block: Mapping[str, TensorHeader]) -> int | None:
    """Length of a norm that stands directly in the block (not of one inside attention, which spans a head)."""
    norm = facts("tensor_roles")["roles"][0]["pattern"]
    for name, header in block.items():
        if name.count(".") == 1 and len(header.shape) == 1 and _pattern(norm).search(name):
            return header.shape[0]
    return None


def _intermediate_size(block: Mapping[str, TensorHeader], width: tuple[int, ...]) -> int | None:
    """The smallest dimension the feed-forward matrices have besides the width (fused gate and up have twice it)."""
    matrices = [h.shape for n, h in block.items() if _role(f"block.0.{n}") == "feed_forward" and len(h.shape) == 2]
    if not matrices or not width or not width[0]:
        return None
    others = [a * b // width[0] for a, b in matrices if width[0] in (a, b)]
    return min(others) if others else None


def _is_mixer(name: str, header: TensorHeader) -> bool:
    """Whether a tensor mixes tokens without attention: a convolution of single channels, or part of a recurrence."""
    is_convolution = len(header.shape) == 3 and header.shape[1] == 1 and is_in_block(name)
    return is_convolution or bool(_pattern(facts("tensor_roles")["mixer"]).search(name))


def _non_dense_reason(expert: str | None, mixer: str | None) -> str | None:
    reasons = [f"it has experts ({expert})"] if expert else []
    reasons += [f"not all of its blocks mix tokens by attention ({mixer})"] if mixer else []
    return ", and ".join(reasons) or None
