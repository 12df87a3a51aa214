"""The interaction of a model while it trains, on fixed windows: what `audit` would say of it if it were saved now."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from shape_audit.calibration import Window, WindowSet, cut_windows, load_tokenizer, read_text
from shape_audit.errors import UsageError
from shape_audit.hub import TensorHeader
from shape_audit.interaction import PassPlan, ProfilePass, parse_sites, protocol_of
from shape_audit.models import LoadedModel
from shape_audit.records import ModelShape, SiteInteraction
from shape_audit.shape import read_config, shape_of

PROTOCOLS = ("loss-gradient", "output-gradient")
"""That can be watched; projected outputs need eager attention, which a model in training need not have."""
SHARDED = ("DTensor", "FlatParameter")
"""Types of the parameters of FSDP; those of DeepSpeed's ZeRO 3 have a `ds_id`."""
_HEADER_NAMES = {
    torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16",
}  # fmt: skip


@dataclass(frozen=True)
class Observation:
    """What is seen of a model at one moment of its training.

    Attributes:
        r_dw: layers / width.
        nats_per_token: mean cross-entropy of the windows.
        sites: as in an audit's record, with their intervals.
        seconds: what looking took.
    """

    r_dw: float
    nats_per_token: float
    sites: tuple[SiteInteraction, ...]
    protocol: str
    windows: int
    seconds: float

    def numbers(self) -> dict[str, float]:
        """What a logger takes: r_dw, nats_per_token, seconds; of each site aofe and aofe_ratio, with _low and _high."""
        found = {"r_dw": self.r_dw, "nats_per_token": self.nats_per_token, "seconds": self.seconds}
        for site in self.sites:
            for name, value, ends in (
                ("aofe", site.aofe, site.aofe_ci),
                ("aofe_ratio", site.aofe_ratio, site.aofe_ratio_ci),
            ):
                if value is not None:
                    found[f"{site.name}/{name}"] = value
                if ends is not None:
                    found[f"{site.name}/{name}_low"], found[f"{site.name}/{name}_high"] = ends
        return found


def fixed_windows(
    tokenizer: Any,
    *,
    dataset: str = "builtin:python-docs",
    windows: int = 32,
    seq_len: int = 128,
    passage_bytes: int | None = None,
    seed: int = 0,
) -> WindowSet:
    """The windows that `audit` with the same settings would cut, to be looked at again and again.

    Args:
        tokenizer: of transformers, or the folder of one.
        dataset, windows, seq_len, passage_bytes, seed: as for `audit`.

    Raises:
        IncompleteError: too little text, or a tokenizer that cannot be loaded.
    """
    text = read_text(dataset)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(tokenizer) if isinstance(tokenizer, str | Path) else Path(temporary)
        if not isinstance(tokenizer, str | Path):
            tokenizer.save_pretrained(folder)
        loaded = load_tokenizer(folder, "the tokenizer to watch with")
        return cut_windows(
            text, loaded, windows=windows, seq_len=seq_len, passage_bytes=passage_bytes, seed=seed
        )  # fmt: skip


def watch(
    model: nn.Module,
    windows: WindowSet | Sequence[Window],
    *,
    protocol: str = "loss-gradient",
    sites: str = "all",
    micro_batch: int | None = None,
) -> Observation:
    """Look at a model between two steps of its training; it is left exactly as it was.

        windows = fixed_windows(tokenizer)
        watch(model, windows).sites[0].aofe_ratio

    It takes about as long as a training step on the same windows: a forward, and a backward to the residual stream
    but to no weight. Weights, their gradients, training flags and random generators stay what they are. Weights are
    taken as they are stored; where training runs in mixed precision, this does not. Of a model that is sharded
    over processes (FSDP, DeepSpeed ZeRO 3) no process has the weights; it cannot be watched.

    Args:
        model: a causal LM of transformers; what DistributedDataParallel or torch.compile put around it is taken off.
        windows: of `fixed_windows`.
        protocol: loss-gradient or output-gradient.
        sites: all, embedding, or a list with commas.
        micro_batch: windows a forward; None chooses by memory.

    Raises:
        UsageError: a protocol that cannot be watched, a site that is not there, or a sharded model.
        NotAuditableError: the model's blocks cannot be found, or run on something else than a residual stream.
        NonFiniteError: a loss or gradient is not finite.
    """
    if protocol not in PROTOCOLS:
        raise UsageError(f"protocol {protocol}: only {' and '.join(PROTOCOLS)} can be watched; audit a checkpoint")
    started = time.perf_counter()
    chosen = tuple(windows.windows if isinstance(windows, WindowSet) else windows)
    if not chosen:
        raise UsageError("no windows to watch with; see fixed_windows")
    model = _bare(model)
    if any(type(p).__name__ in SHARDED or hasattr(p, "ds_id") for p in model.parameters()):
        raise UsageError("a model that is sharded over processes (FSDP, ZeRO 3) cannot be watched; audit a checkpoint")
    shape = live_shape(model)
    parameter = next(model.parameters())
    with _as_audited(model, parameter.device.type):
        loaded = LoadedModel(
            model=model,
            dtype=parameter.dtype,
            device=parameter.device,
            attn_implementation=str(getattr(model.config, "_attn_implementation", None)),
            seconds=0.0,
        )
        plan = PassPlan(
            protocol_of(protocol),
            parse_sites(sites, shape.num_hidden_layers),
            seq_len=len(chosen[0].input_ids) - 1,
            micro_batch=micro_batch,
        )
        a_pass = ProfilePass(loaded, shape, plan)
        a_pass.extend(chosen)
        profile = a_pass.profile()
    return Observation(
        r_dw=shape.r_dw,
        nats_per_token=profile.loss.nats_per_token,
        sites=tuple(profile.sites),
        protocol=protocol,
        windows=len(chosen),
        seconds=time.perf_counter() - started,
    )


def live_shape(model: nn.Module) -> ModelShape:
    """The shape of a model in memory, read from its config and parameters as `audit` reads it from files.

    Raises:
        UsageError: not a model of transformers.
    """
    config: Any = getattr(model, "config", None)
    if config is None or not hasattr(config, "to_dict"):
        raise UsageError(f"{type(model).__name__}: only models of transformers can be watched")
    headers = {
        name: TensorHeader(dtype=_HEADER_NAMES.get(parameter.dtype, "F32"), shape=tuple(parameter.shape))
        for name, parameter in model.named_parameters()  # a tied one once
    }
    return shape_of(type(model).__name__, read_config(config.to_dict()), headers).shape


def _bare(model: Any) -> Any:
    """The model itself, without what is put around it for training."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel):
            inner = model.module
        if inner is None:
            return model
        model = inner


@contextmanager
def _as_audited(model: nn.Module, device_type: str) -> Iterator[None]:
    """While open, the model runs as one that `audit` has loaded: no dropout, no mixed precision."""
    training = [module for module in model.modules() if module.training]
    own = vars(model)
    wrapped, original = own.get("forward"), own.get("_original_forward")  # Accelerate's, for mixed precision
    model.eval()
    try:
        if wrapped is not None and original is not None:
            model.forward = original
        with torch.enable_grad(), torch.autocast(device_type, enabled=False):
            yield
    finally:
        if wrapped is not None and original is not None:
            model.forward = wrapped
        for module in training:
            module.training = True
