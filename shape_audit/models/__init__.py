"""A checkpoint -> a model in memory, ready for gradients of its activations: dtype, device maps, memory.

parse_device_map(text), parse_max_memory(text)    where weights should live; light
plan_weights(checkpoint, ...)  -> PlannedMemory: what a pass will take, and the WeightPlacement to load with
check_supported(checkpoint)    refuses unknown architectures                          (imports transformers)
load_model(checkpoint, ...)    -> LoadedModel                                         (imports torch)
find_blocks(model, depth), model_logits(model, ids), window_losses(logits, targets)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shape_audit.lazy import lazy_names
from shape_audit.models.device_map import parse_device_map, parse_max_memory
from shape_audit.models.options import Device, LoadOptions

if TYPE_CHECKING:
    from shape_audit.models.available_memory import Machine
    from shape_audit.models.blocks import find_blocks
    from shape_audit.models.checkpointing import check_same_losses
    from shape_audit.models.forward_faults import model_faults
    from shape_audit.models.freed_memory import FreePages, give_back_freed_memory
    from shape_audit.models.live import as_loaded, bare_model, headers_of
    from shape_audit.models.loading import (
        LoadedModel,
        check_supported,
        chosen_device,
        load_model,
        read_config,
    )
    from shape_audit.models.logits import exact_logits, model_logits, window_losses
    from shape_audit.models.memory_estimate import DeviceMemory, ForwardPass, MemoryPlan, memory_advice
    from shape_audit.models.memory_plan import PassSize, PlannedMemory, imported_class, plan_weights
    from shape_audit.models.shield import plain_torch
    from shape_audit.models.weight_placement import WeightPlacement

__all__ = [
    "Device",
    "DeviceMemory",
    "ForwardPass",
    "FreePages",
    "LoadOptions",
    "LoadedModel",
    "Machine",
    "MemoryPlan",
    "PassSize",
    "PlannedMemory",
    "WeightPlacement",
    "as_loaded",
    "bare_model",
    "check_same_losses",
    "check_supported",
    "chosen_device",
    "exact_logits",
    "find_blocks",
    "give_back_freed_memory",
    "headers_of",
    "imported_class",
    "load_model",
    "memory_advice",
    "model_faults",
    "model_logits",
    "parse_device_map",
    "parse_max_memory",
    "plain_torch",
    "plan_weights",
    "read_config",
    "window_losses",
]

__getattr__ = lazy_names(
    __name__,
    {
        "available_memory": "Machine",
        "blocks": "find_blocks",
        "checkpointing": "check_same_losses",
        "forward_faults": "model_faults",
        "freed_memory": "FreePages give_back_freed_memory",
        "live": "as_loaded bare_model headers_of",
        "loading": "LoadedModel check_supported chosen_device load_model read_config",
        "logits": "exact_logits model_logits window_losses",
        "memory_estimate": "DeviceMemory ForwardPass MemoryPlan memory_advice",
        "memory_plan": "PassSize PlannedMemory imported_class plan_weights",
        "shield": "plain_torch",
        "weight_placement": "WeightPlacement",
    },
)
