"""Quantised tensors as the weights they stand for; their scales, zero points and maps apart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from shape_audit.hub import TensorHeader, element_bits
from shape_audit.shape.packed_layouts import weight_shape
from shape_audit.shape.quantization import Quantization
from shape_audit.shipped import facts


@dataclass(frozen=True)
class UnpackedTensors:
    """Tensors as an unquantised checkpoint would have them, as far as names, dtypes and shapes tell.

    Attributes:
        tensors: name -> header, quantised weights under the name and shape of the weight; in one dimension where the
            packing does not tell the shape.
        quantized: how many weights are stored quantised.
        dtypes: as what.
        scales: how many scales, zero points and the like lie beside them.
        uncounted: elements of packed tensors of which nothing tells how many weights each holds: counted as one.
        bits: of one weight, where what lies beside it tells how many there are.
    """

    tensors: Mapping[str, TensorHeader]
    quantized: int
    dtypes: frozenset[str]
    scales: int
    uncounted: int
    bits: frozenset[int] = frozenset()


def unpack(tensors: Mapping[str, TensorHeader], quantization: Quantization | None) -> UnpackedTensors:
    """Take quantised tensors for the weights they stand for."""
    quantised = {name for name, header in tensors.items() if _is_quantised(name, header) or f"{name}.absmax" in tensors}
    if not quantised and quantization is None:
        return UnpackedTensors(tensors, 0, frozenset(), 0, 0)
    modules = {_module(name) for name in quantised}
    unpacked: dict[str, TensorHeader] = {}
    weights = scales = uncounted = 0
    bits: set[int] = set()
    for name, header in tensors.items():
        if name in quantised:
            weight = _by_layout(name, tensors, quantization, bits) or _weight(name, header, tensors, quantization)
            uncounted += header.numel if weight is None else 0
            weight = weight or TensorHeader(header.dtype, (header.numel,))
            weights += weight.numel
            unpacked[_plain_name(name)] = weight
        elif _is_beside(name, header, modules, quantised):
            scales += header.numel
        else:
            unpacked[name] = header
    dtypes = frozenset(tensors[name].dtype for name in quantised)
    return UnpackedTensors(unpacked, weights, dtypes, scales, uncounted, frozenset(bits))


def _by_layout(
    name: str, tensors: Mapping[str, TensorHeader], quantization: Quantization | None, bits: set[int]
) -> TensorHeader | None:
    """The weight, where what lies beside its packed form tells its shape; its bits go to those given."""
    module = _module(name)
    found = weight_shape(module, name.removeprefix(f"{module}."), tensors, quantization)
    if found is None:
        return None
    if found.bits is not None:
        bits.add(found.bits)
    return TensorHeader(tensors[name].dtype, found.shape)


@cache
def _pattern(key: str) -> re.Pattern[str]:
    return re.compile(facts("quantization")[key])


def _module(name: str) -> str:
    """`model.layers.0.mlp.up_proj` of its `.weight`, `.qweight` ..."""
    return _pattern("packed_leaf").sub("", name).removesuffix(".weight")


def _is_quantised(name: str, header: TensorHeader) -> bool:
    table = facts("quantization")
    if header.dtype in table["packed_dtypes"] and (
        _pattern("packed_leaf").search(name) or _pattern("blocks_leaf").search(name) or name.endswith(".weight")
    ):
        return True
    if header.dtype not in table["whole_dtypes"]:
        return False
    is_scale = _pattern("side_tensors").search(name) or _pattern("side_of").search(name.rpartition(".")[2])
    is_matrix = len(header.shape) > 1 or name.endswith(".codes")
    return is_matrix and not is_scale


def _is_beside(name: str, header: TensorHeader, modules: set[str], quantised: set[str]) -> bool:
    """Whether a tensor is a scale or the like: by its name, or of a module whose weight is quantised, where a single
    number is a setting, too (HQQ)."""
    if _pattern("side_tensors").search(name):
        return True
    owner, _, leaf = name.rpartition(".")
    if owner in modules and (header.numel == 1 or _pattern("side_of").search(leaf)):
        return True
    stem = re.sub(r"_(scales?|scale_inv|zeros?)$", "", name)
    return stem != name and (stem in quantised or f"{stem}_blocks" in quantised)


def _plain_name(name: str) -> str:
    if _pattern("blocks_leaf").search(name):
        return _pattern("blocks_leaf").sub("", name)
    return f"{_module(name)}.weight" if _pattern("packed_leaf").search(name) else name


def _weight(
    name: str, header: TensorHeader, tensors: Mapping[str, TensorHeader], quantization: Quantization | None
) -> TensorHeader | None:
    """The weight that a tensor stands for; None where nothing tells how many there are."""
    dtype, shape = header.dtype, header.shape
    if dtype in facts("quantization")["whole_dtypes"] and not name.endswith(".codes"):
        return header
    bits = _bits(name, header, tensors, quantization)
    if bits is None:
        return None
    if _pattern("blocks_leaf").search(name) and len(shape) > 2:  # [..., groups, bytes] -> [..., weights]
        return TensorHeader(dtype, (*shape[:-2], shape[-2] * shape[-1] * element_bits(dtype) // bits))
    is_awq_of_modelopt = quantization is not None and "AWQ" in (quantization.algorithm or "")  # along either axis
    if len(shape) != 2 or shape[1] == 1 or name.endswith(".W_q") or is_awq_of_modelopt:
        return TensorHeader(dtype, (header.numel * element_bits(dtype) // bits,))
    rows, columns = shape
    if name.endswith(".qweight"):  # [in, out]; AWQ packs along the outputs, the others along the inputs
        scales = tensors.get(f"{_module(name)}.scales")
        outputs = scales.shape[-1] if scales and scales.shape else columns
        if columns != outputs:
            return TensorHeader(dtype, (columns * element_bits(dtype) // bits, rows))
        return TensorHeader(dtype, (columns, rows * element_bits(dtype) // bits))
    if quantization and quantization.method == "bitnet":
        return TensorHeader(dtype, (rows * element_bits(dtype) // bits, columns))
    return TensorHeader(dtype, (rows, columns * element_bits(dtype) // bits))


def _bits(
    name: str, header: TensorHeader, tensors: Mapping[str, TensorHeader], quantization: Quantization | None
) -> int | None:
    module = _module(name)
    if quantization and module in quantization.modules:
        return quantization.modules[module] or quantization.bits
    if quantization and quantization.bits and quantization.bits <= element_bits(header.dtype):
        return quantization.bits
    scale = tensors.get(f"{module}.weight_scale")
    if header.dtype == "U8" and (
        _pattern("blocks_leaf").search(name) or (scale and scale.dtype.startswith("F8") and len(scale.shape) == 2)
    ):
        return 4  # MXFP4, NVFP4: two a byte, an 8-bit scale for each group
    return None


def quantization_disagreement(quantization: Quantization | None, stored: UnpackedTensors) -> str | None:
    """What the config promises of quantisation and the stored dtypes do not keep, or the reverse, in words."""
    dtypes = ", ".join(sorted(stored.dtypes))
    if quantization is None:
        if not stored.quantized:
            return None
        return f"weights are stored quantised ({dtypes}), but neither config.json nor a file beside it says how"
    if not stored.quantized:
        if quantization.is_when_loaded:
            return None
        return f"{quantization.source} says that the weights are quantised ({quantization.name}), but none is stored so"
    is_packed = bool(quantization.modules) or any(not dtype.startswith("F8") for dtype in stored.dtypes)
    unlike = stored.bits - quantization.promised
    if unlike and quantization.promised:
        found = f"{'they' if len(stored.bits) == 1 else 'some'} are stored in {max(unlike)}"
    elif quantization.bits and quantization.bits < 8 and not is_packed:
        found = f"they are stored in 8 ({dtypes})"
    else:
        return None
    promised = quantization.bits or min(quantization.promised)
    return f"{quantization.source} promises weights of {promised} bits ({quantization.name}), but {found}"
