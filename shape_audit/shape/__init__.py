"""Config and tensor headers -> shape, ledger, R_D/W; and where that stands against an interval.

describe(checkpoint)             -> ShapeReading: ModelShape, names, notes; described(...) of a config and headers alone
read_config(config), read_tensors(headers), shape_of(...)     -> the two sources of that, and what they give
place(r_dw, interval)            -> Placement
read_tensors(headers).decoder    -> BlockStack: the blocks, tensor by tensor, and what most of them agree on
like_blocks(kinds, stack)        -> the same, cut into blocks that should be alike
tying(config, tensors), disagreements(config, tensors), quantization_disagreement(...)    -> promises and what is stored
suggest(params)                  -> ShapeSuggestion; write_config(config, folder) writes one of it
TILE, unsplit(size) ...          the sizes that hardware likes
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shape_audit.lazy import lazy_names
from shape_audit.shape.block_stacks import block_stacks
from shape_audit.shape.disagreements import disagreements, shape_in_doubt
from shape_audit.shape.known_models import KnownModel, known_models
from shape_audit.shape.tying import STORED_TWICE, UNTIED_WHEN_LOADED, tying

if TYPE_CHECKING:
    from shape_audit.shape.advisor import suggest
    from shape_audit.shape.block_stacks import BlockStack, is_in_block, largest_stack
    from shape_audit.shape.candidate_costs import MOST_COST, searched_interval
    from shape_audit.shape.config_facts import ConfigFacts, read_config
    from shape_audit.shape.config_file import write_config
    from shape_audit.shape.config_keys import text_part
    from shape_audit.shape.density import non_dense_reason
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
    from shape_audit.shape.layer_kinds import block_kinds, like_blocks, unknown_layer_kinds
    from shape_audit.shape.model_families import Family, Sizes, families, family_named
    from shape_audit.shape.model_shape import ShapeReading, describe, described, shape_of, untied_shape
    from shape_audit.shape.nearest_models import nearest_in_params, size_neighbours
    from shape_audit.shape.options import SuggestOptions
    from shape_audit.shape.packed_weights import quantization_disagreement
    from shape_audit.shape.parameter_budget import parse_budget
    from shape_audit.shape.placement import place
    from shape_audit.shape.quantization import Quantization
    from shape_audit.shape.tensor_facts import TensorFacts, read_tensors, role_of, token_matrices

__all__ = [
    "LARGEST_HEAD",
    "LARGE_TILE",
    "MOST_COST",
    "NEEDED",
    "STORED_TWICE",
    "TENSOR_PARALLEL",
    "TILE",
    "UNTIED_WHEN_LOADED",
    "BlockStack",
    "ConfigFacts",
    "Family",
    "KnownModel",
    "Quantization",
    "ShapeReading",
    "Sizes",
    "SuggestOptions",
    "TensorFacts",
    "block_kinds",
    "block_stacks",
    "describe",
    "described",
    "disagreements",
    "families",
    "family_named",
    "is_fused_head",
    "is_in_block",
    "known_models",
    "largest_stack",
    "like_blocks",
    "nearest_in_params",
    "next_multiple",
    "non_dense_reason",
    "parse_budget",
    "place",
    "quantization_disagreement",
    "read_config",
    "read_tensors",
    "role_of",
    "searched_interval",
    "shape_in_doubt",
    "shape_of",
    "size_neighbours",
    "suggest",
    "text_part",
    "token_matrices",
    "tying",
    "unknown_layer_kinds",
    "unsplit",
    "untied_shape",
    "write_config",
]

__getattr__ = lazy_names(
    __name__,
    {
        "advisor": "suggest",
        "block_stacks": "BlockStack is_in_block largest_stack",
        "candidate_costs": "MOST_COST searched_interval",
        "config_facts": "ConfigFacts read_config",
        "config_file": "write_config",
        "config_keys": "text_part",
        "density": "non_dense_reason",
        "hardware_sizes": "LARGEST_HEAD LARGE_TILE NEEDED TENSOR_PARALLEL TILE is_fused_head next_multiple unsplit",
        "layer_kinds": "block_kinds like_blocks unknown_layer_kinds",
        "model_families": "Family Sizes families family_named",
        "model_shape": "ShapeReading describe described shape_of untied_shape",
        "nearest_models": "nearest_in_params size_neighbours",
        "options": "SuggestOptions",
        "packed_weights": "quantization_disagreement",
        "parameter_budget": "parse_budget",
        "placement": "place",
        "quantization": "Quantization",
        "tensor_facts": "TensorFacts read_tensors role_of token_matrices",
    },
)
