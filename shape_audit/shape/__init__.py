"""Config and tensor headers -> shape, ledger, R_D/W; and where that stands against an interval.

describe(checkpoint)             -> ShapeReading: ModelShape, names, notes
read_config(config), read_tensors(headers), shape_of(...)     -> the two sources of that, and what they give
place(r_dw, interval)            -> Placement
read_tensors(headers).decoder    -> BlockStack: the blocks, tensor by tensor, and what most of them agree on
like_blocks(kinds, stack)        -> the same, cut into blocks that should be alike
tying(config, tensors), disagreements(config, tensors), quantization_disagreement(...)    -> promises and what is stored
suggest(params)                  -> ShapeSuggestion; write_config(config, folder) writes one of it
TILE, unsplit(size) ...          the sizes that hardware likes
"""

from shape_audit.shape.advisor import DEFAULT_FAMILY, DEFAULT_TOP, suggest
from shape_audit.shape.attention_rows import AttentionRows
from shape_audit.shape.block_stacks import BlockStack, largest_stack
from shape_audit.shape.config_facts import ConfigFacts, read_config
from shape_audit.shape.config_file import write_config
from shape_audit.shape.config_keys import text_part
from shape_audit.shape.density import non_dense_reason
from shape_audit.shape.disagreements import disagreements
from shape_audit.shape.families import Family, Sizes, families, family_named
from shape_audit.shape.hardware_sizes import (
    LARGE_TILE,
    LARGEST_HEAD,
    NEEDED,
    TENSOR_PARALLEL,
    TILE,
    is_fused_head,
    next_multiple,
    unsplit,
)
from shape_audit.shape.known_models import KnownModel, known_models
from shape_audit.shape.layer_kinds import like_blocks
from shape_audit.shape.model_shape import ShapeReading, describe, shape_of, untied_shape
from shape_audit.shape.packed_weights import UnpackedTensors, quantization_disagreement
from shape_audit.shape.parameter_budget import parse_budget
from shape_audit.shape.placement import place
from shape_audit.shape.quantization import Quantization
from shape_audit.shape.tensor_facts import TensorFacts, TokenMatrices, read_tensors, token_matrices
from shape_audit.shape.tying import STORED_TWICE, UNTIED_WHEN_LOADED, Tying, tying

__all__ = [
    "DEFAULT_FAMILY",
    "DEFAULT_TOP",
    "LARGEST_HEAD",
    "LARGE_TILE",
    "NEEDED",
    "STORED_TWICE",
    "TENSOR_PARALLEL",
    "TILE",
    "UNTIED_WHEN_LOADED",
    "AttentionRows",
    "BlockStack",
    "ConfigFacts",
    "Family",
    "KnownModel",
    "Quantization",
    "ShapeReading",
    "Sizes",
    "TensorFacts",
    "TokenMatrices",
    "Tying",
    "UnpackedTensors",
    "describe",
    "disagreements",
    "families",
    "family_named",
    "is_fused_head",
    "known_models",
    "largest_stack",
    "like_blocks",
    "next_multiple",
    "non_dense_reason",
    "parse_budget",
    "place",
    "quantization_disagreement",
    "read_config",
    "read_tensors",
    "shape_of",
    "suggest",
    "text_part",
    "token_matrices",
    "tying",
    "unsplit",
    "untied_shape",
    "write_config",
]
