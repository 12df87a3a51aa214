"""Before anything is loaded: where weights will live, and what the pass will take of the memory there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from shape_audit.hub import Checkpoint, config_folder, element_bits
from shape_audit.models.available_memory import Machine, held_ram
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
    ForwardPass,
    MemoryPlan,
    sums_memory,
    with_activations,
)
from shape_audit.models.options import LoadOptions
from shape_audit.models.weight_placement import DeviceRoom, WeightPlacement, place_weights
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
            logits, -2 the one-hot inputs) -> width of the gradients that are read there.
        use: whether the use of the width is measured as well.
    """

    seq_len: int
    windows: int
    site_widths: Mapping[int, int]
    use: bool = False


OUTPUT_POSITION, INPUT_POSITION = -1, -2
PIECES = 8 * 2**22
"""Bytes of each of the pieces that products of inputs are made of, see `interaction.estimators.input_gradients`."""


def input_memory(shape: ModelShape, size: PassSize, element_bytes: int) -> int:
    """Where gradients at one-hot inputs are read: those of all windows are kept, at the embedding's output.

    They are put in order once more than they lie there; beside them are two products of every pair of windows, a piece
    of the embedding, and what that makes of the windows.
    """
    gradients = size.windows * size.seq_len * shape.hidden_size * max(4, element_bytes)
    return 2 * gradients + 4 * 8 * size.windows**2 + 3 * PIECES


def plan_weights(
    checkpoint: Checkpoint, shape: ModelShape, size: PassSize, load: LoadOptions, device: torch.device | Machine
) -> PlannedMemory:
    """Settle where weights go, and count. Reads config and headers, never weights.

    Args:
        device: where it will be computed, but for weights with a device map of their own; of this machine, or with
            what is known of another one.

    Raises:
        UsageError: the device map fits neither the model nor the machine.
        IncompleteError, NotAuditableError: a config that no model can be built from.
        huggingface_hub and httpx2 errors: see `errors.FOREIGN`.
    """
    model_class = imported_class(checkpoint)  # first, for what it brings along is held by any process that measures
    computing = device.device if isinstance(device, Machine) else device
    if load.device_map is not None and computing.type == "mps":
        computing = torch.device("cpu")
    machine = device if isinstance(device, Machine) else Machine.here(computing)
    torch_dtype = DTYPES[dtype_of_pass(checkpoint, load.dtype)]
    item = torch_dtype.itemsize
    of_sites = {
        at: input_memory(shape, size, item)
        if at == INPUT_POSITION
        else sums_memory(width, size.windows, use=size.use and at >= 0)
        for at, width in size.site_widths.items()
    }
    forward = ForwardPass(
        shape,
        size.seq_len,
        item,
        is_fused=load.attn_implementation != "eager" and bool(getattr(model_class, "_supports_sdpa", False)),
        is_differentiated_twice=OUTPUT_POSITION in size.site_widths,
    )
    if load.device_map is not None:
        recomputed = replace(forward, is_fused=False).a_window
        blocks = recomputed.of_blocks(shape.num_hidden_layers, is_checkpointed=True)
        config = read_config(checkpoint, config_folder(checkpoint))
        placement = place_weights(
            unloaded_model(checkpoint, config, torch_dtype),
            shape.num_hidden_layers,
            parse_device_map(load.device_map),
            DeviceRoom(
                computing,
                machine.available,
                limits=parse_max_memory(load.max_memory) if load.max_memory else {},
                reserved=sum(of_sites.values()) + recomputed.logits + blocks,
            ),
        )
    else:
        placement = _on_one_device(
            "cuda:0" if computing.type == "cuda" else computing.type, shape.num_hidden_layers, shape.params_total * item
        )
    forward = replace(
        forward,
        is_checkpointed=load.device_map is not None and placement.is_streamed,
        main_device=placement.main_device,
        block_devices=placement.block_devices,
    )
    loading = _loading_bytes(checkpoint, torch_dtype, is_placed=load.device_map is not None)
    chosen, devices = with_activations(
        _lasting(placement, of_sites, machine, loading=loading),
        forward,
        micro_batch=load.micro_batch,
        windows=size.windows,
    )
    plan = MemoryPlan(
        model=checkpoint.repo_id,
        dtype=str(torch_dtype).removeprefix("torch."),
        seq_len=size.seq_len,
        micro_batch=chosen,
        is_checkpointed=forward.is_checkpointed,
        devices=devices,
    )
    return PlannedMemory(plan, None if load.device_map is None else placement)


def _on_one_device(device: str, depth: int, weight_bytes: int) -> WeightPlacement:
    """All of a model on one device, which needs no map."""
    return WeightPlacement(
        device_map={"": device},
        main_device=device,
        blocks=(),
        block_devices=(device,) * depth,
        weight_bytes={device: weight_bytes},
        streamed_bytes={},
    )


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
    placement: WeightPlacement, of_sites: Mapping[int, int], machine: Machine, *, loading: int
) -> list[DeviceMemory]:
    """What each memory holds from the first micro-batch to the last; the disk comes last.

    Args:
        of_sites: position of a site -> bytes of its sums, which are where its gradient is.
        loading: bytes of weight files, see `_loading_bytes`.
    """
    processes = {"cpu": held_ram() + WORKING_BYTES}
    available = {name: free + processes.get(name, 0) for name, free in machine.available.items()}
    sums: dict[str, int] = {}
    for site, size in of_sites.items():
        device = placement.main_device if site <= 0 else placement.block_devices[site - 1]
        home = "cpu" if device == "mps" else device  # mps has no float64
        sums[home] = sums.get(home, 0) + size
    weights, streamed = placement.weight_bytes, placement.streamed_bytes
    return [
        DeviceMemory(
            name,
            process=processes.get(name, 0),
            weights=weights.get(name, 0),
            streamed=streamed.get(name, 0),
            sums=sums.get(name, 0),
            loading=loading if name == "cpu" else 0,
            available=available.get(name),
        )
        for name in sorted({*weights, *streamed, *sums}, key=lambda name: (name == "disk", name))
    ]
