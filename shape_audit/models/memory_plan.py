"""Before anything is loaded: where weights will live, and what the pass will take of the memory there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from shape_audit.hub import Checkpoint, config_folder, element_bits
from shape_audit.models.available_memory import available_memory, held_ram
from shape_audit.models.device_map import parse_device_map, parse_max_memory
from shape_audit.models.loading import (
    DTYPES,
    dtype_of_pass,
    read_config,
    unloaded_model,
)
from shape_audit.models.memory_estimate import (
    WORKING_BYTES,
    DeviceMemory,
    MemoryPlan,
    sums_memory,
    window_memory,
    with_activations,
)
from shape_audit.models.options import LoadOptions
from shape_audit.models.weight_placement import WeightPlacement, place_weights
from shape_audit.records import ModelShape

_STORED_AS = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16", torch.float64: "F64"}
LOADING_SHARE = 1.05
"""What is seen of weight files while they are read, against their size: a little is held twice."""


@dataclass(frozen=True)
class PlannedMemory:
    """What a pass will take, and the placement of weights that this is of; None where one device has them all."""

    plan: MemoryPlan
    placement: WeightPlacement | None


@dataclass(frozen=True)
class PassSize:
    """What a pass holds beside weights.

    Attributes:
        seq_len: inputs of a window.
        windows: how many there may be in all: each leaves a row at every site.
        site_widths: position in the residual stream (0 the input of block 0, k + 1 the output of block k, -1 the
            logits) -> width of the gradients that are read there.
    """

    seq_len: int
    windows: int
    site_widths: Mapping[int, int]


def plan_weights(
    checkpoint: Checkpoint, shape: ModelShape, size: PassSize, load: LoadOptions, device: torch.device
) -> PlannedMemory:
    """Settle where weights go, and count. Reads config and headers, never weights.

    Args:
        device: where it will be computed, but for weights with a device map of their own.

    Raises:
        UsageError: the device map fits neither the model nor the machine.
        IncompleteError, NotAuditableError: a config that no model can be built from.
        huggingface_hub and httpx2 errors: see `errors.FOREIGN`.
    """
    computing = device
    if load.device_map is not None and computing.type == "mps":
        computing = torch.device("cpu")
    model_class = imported_class(checkpoint)
    held, available = held_ram(), available_memory(computing)
    torch_dtype = DTYPES[dtype_of_pass(checkpoint, load.dtype)]
    item = torch_dtype.itemsize
    of_sites = {at: sums_memory(width, size.windows) for at, width in size.site_widths.items()}
    placement = None
    if load.device_map is not None:
        a_window = window_memory(shape, size.seq_len, element_bytes=item)
        blocks = a_window.of_blocks(shape.num_hidden_layers, is_checkpointed=True)
        config = read_config(checkpoint, config_folder(checkpoint))
        placement = place_weights(
            unloaded_model(checkpoint, config, torch_dtype),
            shape.num_hidden_layers,
            parse_device_map(load.device_map),
            device=computing,
            available=available,
            limits=parse_max_memory(load.max_memory) if load.max_memory else {},
            reserved=sum(of_sites.values()) + a_window.logits + blocks,
        )
    main = placement.main_device if placement else "cuda:0" if computing.type == "cuda" else computing.type
    block_devices = placement.block_devices if placement else (main,) * shape.num_hidden_layers
    lasting = _lasting(
        weights=placement.weight_bytes if placement else {main: shape.params_total * item},
        streamed=placement.streamed_bytes if placement else {},
        sums={at: main if at <= 0 else block_devices[at - 1] for at in of_sites},
        of_sites=of_sites,
        available=available,
        held=held,
        loading=_loading_bytes(checkpoint, torch_dtype, is_placed=placement is not None),
    )
    is_checkpointed = placement is not None and placement.is_streamed
    chosen, devices = with_activations(
        lasting,
        shape,
        size.seq_len,
        element_bytes=item,
        is_checkpointed=is_checkpointed,
        main_device=main,
        block_devices=block_devices,
        micro_batch=load.micro_batch,
        windows=size.windows,
        is_fused=load.attn_implementation != "eager" and bool(getattr(model_class, "_supports_sdpa", False)),
    )
    plan = MemoryPlan(
        model=checkpoint.repo_id,
        dtype=str(torch_dtype).removeprefix("torch."),
        seq_len=size.seq_len,
        micro_batch=chosen,
        is_checkpointed=is_checkpointed,
        devices=devices,
    )
    return PlannedMemory(plan, placement)


def imported_class(checkpoint: Checkpoint) -> type | None:
    """The class of the model. Its code and all else that a pass imports is part of the process from here on."""
    import scipy.special  # noqa: F401
    from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING

    found: type | None = MODEL_FOR_CAUSAL_LM_MAPPING.get(CONFIG_MAPPING[checkpoint.config["model_type"]], None)
    return found


def _loading_bytes(checkpoint: Checkpoint, dtype: torch.dtype, *, is_placed: bool) -> int:
    """Bytes of weight files that are seen beside the weights while these are loaded.

    Files are mapped: weights that stay as they are stored are those pages themselves.
    """
    as_stored = {header.dtype for header in checkpoint.tensors.values()} == {_STORED_AS.get(dtype)}
    stored = sum(header.numel * element_bits(header.dtype) for header in checkpoint.tensors.values()) // 8
    return 0 if as_stored and not is_placed else int(LOADING_SHARE * stored)


def _lasting(
    *,
    weights: Mapping[str, int],
    streamed: Mapping[str, int],
    sums: Mapping[int, str],
    of_sites: Mapping[int, int],
    available: Mapping[str, int],
    held: int,
    loading: int,
) -> list[DeviceMemory]:
    """What each memory holds from the first micro-batch to the last; the disk comes last."""
    processes = {"cpu": held + WORKING_BYTES}
    available = {name: free + processes.get(name, 0) for name, free in available.items()}
    sums_at: dict[str, int] = {}
    for site, device in sums.items():
        home = "cpu" if device == "mps" else device  # mps has no float64
        sums_at[home] = sums_at.get(home, 0) + of_sites[site]
    names = sorted({*weights, *streamed, *sums_at}, key=lambda name: (name == "disk", name))
    return [
        DeviceMemory(
            name,
            process=processes.get(name, 0),
            weights=weights.get(name, 0),
            streamed=streamed.get(name, 0),
            sums=sums_at.get(name, 0),
            loading=loading if name == "cpu" else 0,
            available=available.get(name),
        )
        for name in names
    ]
