"""Loading a model so that gradients of its activations, and of nothing else, can be taken."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from shape_audit.errors import CorruptFileError, IncompleteError, NotAuditableError, UsageError, first_line
from shape_audit.hub import Checkpoint, names_repository, quiet_transformers, weights_folder
from shape_audit.loader import config_in, model_in, model_of
from shape_audit.models.checkpointing import checkpoint_blocks
from shape_audit.models.options import LoadOptions
from shape_audit.models.weight_placement import WeightPlacement
from shape_audit.parallel import SingleProcess

DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "float64": torch.float64,
}
SIDE_FILES = ("transformers_weights", "configuration_files")
"""Keys of config.json by which transformers takes weights or a config from another file: not the one that was read."""
MAX_LABELS = 1_000_000
MAX_BUFFER_BYTES = 8 * 2**30
MAX_EXCESS = 1.5
"""A model may have so many times the parameters of its weight files; what is missing is then counted and named."""
_SAFETENSORS_DTYPES = {"F64": "float64", "F32": "float32", "BF16": "bfloat16", "F16": "float16"}


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to be measured.

    Attributes:
        model: in eval mode, without dropout, no weight requiring gradients.
        device: where inputs and losses are.
        attn_implementation: what transformers chose (sdpa, eager ...).
        placement: where its weights live; None where they are all on `device`.
    """

    model: nn.Module
    dtype: torch.dtype
    device: torch.device
    attn_implementation: str
    placement: WeightPlacement | None = None

    @property
    def is_checkpointed(self) -> bool:
        """Whether its blocks are computed again in the backward pass; then their weights may be streamed."""
        return self.placement is not None and self.placement.is_streamed

    @property
    def is_tied(self) -> bool:
        """Whether the output matrix is the embedding: where a different one is stored, transformers loads both."""
        model: Any = self.model
        output, embedding = model.get_output_embeddings(), model.get_input_embeddings()
        return output is not None and output.weight is embedding.weight

    @property
    def device_name(self) -> str:
        """The device, or the memories its weights are spread over: `disk, cpu`."""
        return self.placement.description if self.placement else str(self.device)

    @property
    def dtype_name(self) -> str:
        return str(self.dtype).removeprefix("torch.")


def load_model(
    checkpoint: Checkpoint,
    load: LoadOptions | None = None,
    device: torch.device | None = None,
    placement: WeightPlacement | None = None,
    offload_folder: Path | None = None,
) -> LoadedModel:
    """Download the weights where needed and load the model with transformers.

    Args:
        load: dtype (`auto` takes the dtype most parameters are stored in, but float32 for float16, whose gradients
            underflow), attention, and device.
        device: this process's own; None for the one that `load` names.
        placement: where weights live, where that is not `device` alone. What is streamed goes with activation
            checkpointing.
        offload_folder: for what must be written to be read from the disk. Weights are read from the checkpoint's own
            files, so that is nothing but what transformers stores in another form than it computes with.

    Raises:
        NotAuditableError: transformers does not know the architecture, or only through code of the repository; or it
            cannot be streamed.
        IncompleteError: weights are missing or do not fit the architecture.
        UsageError: the device asked for is not there.
        huggingface_hub and httpx2 errors: see `errors.FOREIGN`.
    """
    load = load or LoadOptions()
    place = torch.device(placement.main_device) if placement else device or chosen_device(load.device)
    folder = weights_folder(checkpoint)
    config = read_config(checkpoint, folder)
    chosen_dtype = DTYPES[dtype_of_pass(checkpoint, load.dtype)]
    unloaded_model(checkpoint, config, chosen_dtype)
    how: dict[str, Any] = {"dtype": chosen_dtype, "attn_implementation": load.attn_implementation}
    if placement is not None:
        how |= {"device_map": dict(placement.device_map), "offload_folder": offload_folder}
    model, info = _from_pretrained(checkpoint, folder, config, how)
    absent = sorted(info["missing_keys"])
    if absent:
        raise IncompleteError(
            f"{checkpoint.repo_id}: the weights lack {len(absent)} tensors the architecture needs ({absent[0]} ...)"
        )
    model.requires_grad_(False).eval()
    if placement is None:
        model.to(place)
    elif placement.is_streamed:
        checkpoint_blocks(model, [model.get_submodule(name) for name in placement.blocks])
    return LoadedModel(
        model=model,
        dtype=chosen_dtype,
        device=place,
        attn_implementation=str(model.config._attn_implementation),
        placement=placement,
    )


def chosen_device(name: str, processes: SingleProcess | None = None) -> torch.device:
    """The device meant by cpu, cuda, mps or auto; of several processes on a machine, each has its own accelerator.

    Raises:
        UsageError: it is not there.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(device for device in ("cuda", "mps", "cpu") if available[device])
    if not available[name]:
        raise UsageError(f"--device {name}: this torch sees no {name.upper()} device")
    if name == "cuda" and processes is not None and processes.size > 1:
        return torch.device("cuda", processes.local_rank % torch.cuda.device_count())
    return torch.device(name)


def dtype_of_pass(checkpoint: Checkpoint, requested: str) -> str:
    """The name of the dtype to load in; `auto` goes by the tensor headers."""
    if requested != "auto":
        return requested
    counts: dict[str, int] = {}
    for header in checkpoint.tensors.values():
        if header.dtype in _SAFETENSORS_DTYPES:
            counts[header.dtype] = counts.get(header.dtype, 0) + header.numel
    stored: Literal["F32"] | str = max(counts, key=lambda name: counts[name], default="F32")
    return "float32" if stored == "F16" else _SAFETENSORS_DTYPES[stored]


def check_supported(checkpoint: Checkpoint) -> None:
    """Refuse what transformers knows no causal LM for, before anything is downloaded or cut.

    Raises:
        NotAuditableError: an unknown architecture, or one that needs code of its repository.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    place = names_repository(checkpoint.config)
    if place is not None:  # transformers would fetch and run it
        raise NotAuditableError(f"{checkpoint.repo_id}: asks for code of a repository ({place}), which is not run")
    for key in SIDE_FILES:
        if key in checkpoint.config:
            raise NotAuditableError(
                f"{checkpoint.repo_id}: config.json names other files to load ({key}), which this audit does not follow"
            )
    labels = checkpoint.config.get("num_labels")
    if isinstance(labels, int) and labels > MAX_LABELS:  # the config class makes a name for each
        raise CorruptFileError(f"{checkpoint.repo_id}: config.json: {labels:,} labels are implausible")
    model_type = checkpoint.config.get("model_type")
    if not isinstance(model_type, str) or model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        if "auto_map" in checkpoint.config:
            raise NotAuditableError(
                f"{checkpoint.repo_id}: needs code from its repository (model type {model_type}), which is not run; "
                "--shape-only works"
            )
        raise NotAuditableError(
            f"{checkpoint.repo_id}: unsupported architecture: transformers knows no causal LM of type {model_type}"
        )


def read_config(checkpoint: Checkpoint, folder: Path) -> Any:
    """The transformers config, with all dropout off.

    Activation checkpointing needs a block's training flag, and some blocks drop out by that same flag.
    """
    try:
        with quiet_transformers():
            config = config_in(folder)
    except Exception as error:  # whatever an impossible value makes the config class raise
        raise CorruptFileError(f"{checkpoint.repo_id}: config.json: {first_line(error)}") from error
    for part in (config, config.get_text_config(decoder=True)):  # of several towers, the text model's own too
        for name, value in part.to_dict().items():
            if "drop" in name and isinstance(value, int | float) and not isinstance(value, bool):
                setattr(part, name, 0.0)
    return config


def unloaded_model(checkpoint: Checkpoint, config: Any, dtype: torch.dtype) -> Any:
    """The model without memory, on the meta device, compared with the weights' headers.

    So an absurd config is met before it takes the machine down, and where weights go can be settled before they are
    loaded.

    Raises:
        IncompleteError: the config describes far more than the weights hold, or cannot be built at all.
    """
    try:
        with torch.device("meta"), quiet_transformers():
            model = model_of(config, dtype=dtype)
    except Exception as error:  # whatever an impossible config makes a model class raise
        raise IncompleteError(f"{checkpoint.repo_id}: transformers cannot build it: {first_line(error)}") from error
    described = sum(parameter.numel() for parameter in model.parameters())
    held = sum(header.numel for header in checkpoint.tensors.values())
    if described > MAX_EXCESS * held:
        raise IncompleteError(
            f"{checkpoint.repo_id}: config.json describes {described:,} parameters, but the weights hold {held:,}"
        )
    buffers = sum(buffer.numel() * buffer.element_size() for buffer in model.buffers())
    if buffers > MAX_BUFFER_BYTES:
        raise IncompleteError(
            f"{checkpoint.repo_id}: config.json asks for {buffers / 1e9:,.0f} GB of buffers "
            "(max_position_embeddings?); that is implausible"
        )
    model.tie_weights()
    return model


def _from_pretrained(
    checkpoint: Checkpoint, folder: Path, config: Any, how: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """The model, and what transformers says of its loading; `how` are arguments of `model_in`."""
    from safetensors import SafetensorError

    if how["dtype"] == torch.float64 or how["attn_implementation"] == "eager":
        # Products grouped by expert do not know float64; eager attention is for derivatives few fused kernels have.
        how = how | {"experts_implementation": "eager"}
    try:
        with quiet_transformers():
            model, info = model_in(folder, config=config, variant=checkpoint.variant, **how)
    except SafetensorError as error:
        raise CorruptFileError(f"{checkpoint.repo_id}: damaged weights: {first_line(error)}") from error
    except Exception as error:  # whatever an impossible config makes a model class raise
        if isinstance(error, torch.OutOfMemoryError | MemoryError | OSError):
            raise
        raise IncompleteError(f"{checkpoint.repo_id}: transformers cannot load it: {first_line(error)}") from error
    return model, info
