"""The shape of a weight by the tensors that lie beside its packed form: they tell it, whatever the config says of bits.

exl2 keeps a permutation of the inputs, AQLM its codebooks, MLX a scale for each group of inputs. Which tensors tell
what is `layouts` in `data/quantization.json`: rows and columns as products such as `codes[0] * codebooks[2]`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from shape_audit.hub import TensorHeader, element_bits
from shape_audit.shape.quantization import Quantization
from shape_audit.shipped import facts

_SIZE = re.compile(r"(?P<leaf>\w+)\[(?P<axis>-?\d)\]")
MOST_BITS, FEWEST_BITS = 16.5, 0.5
"""Of one weight: outside of these, what lies beside is something else than the layout says."""


@dataclass(frozen=True)
class WeightShape:
    """Outputs and inputs of a weight, before them the number of experts where they are stacked, and in how many bits
    each number is stored, where that is a whole number."""

    shape: tuple[int, ...]
    bits: int | None = None


def weight_shape(
    module: str, leaf: str, tensors: Mapping[str, TensorHeader], quantization: Quantization | None
) -> WeightShape | None:
    """The weight that is stored packed as `module.leaf`; None where nothing beside it tells."""
    if quantization is not None and module in quantization.shapes:
        return WeightShape(quantization.shapes[module])
    packed = tensors.get(f"{module}.{leaf}")
    if packed is None:
        return None
    group_size = quantization.group_size_of(module) if quantization else None
    for layout in facts("quantization")["layouts"]:
        if layout["packed"] != leaf or packed.dtype not in layout.get("dtypes", facts("quantization")["packed_dtypes"]):
            continue
        if not all(f"{module}.{other}" in tensors for other in layout["beside"]):
            continue
        stack = packed.shape[:-2] if layout.get("stackable") else ()
        sides = [_size(layout[side], module, tensors, group_size, len(stack)) for side in ("rows", "columns")]
        shape = (*stack, *sides)
        bits = packed.numel * element_bits(packed.dtype) / math.prod(shape) if all(shape) else 0
        if FEWEST_BITS <= bits <= MOST_BITS and not (layout.get("whole_bits") and bits % 1):
            return WeightShape(shape, int(bits) if layout.get("whole_bits") else None)
    return None


def _size(product: str, module: str, tensors: Mapping[str, TensorHeader], group_size: int | None, stacked: int) -> int:
    """The value of a product such as `16 * trellis[0]`; 0 where one of its factors is not known.

    Args:
        stacked: how many dimensions come before those that are named.
    """
    size = 1
    for factor in product.split(" * "):
        if match := _SIZE.fullmatch(factor):
            header, axis = tensors.get(f"{module}.{match['leaf']}"), int(match["axis"]) + stacked
            size *= header.shape[axis] if header and axis < len(header.shape) else 0
        else:
            size *= int(factor) if factor.isdecimal() else group_size or 0
    return size
