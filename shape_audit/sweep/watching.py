"""The interaction of a model while it trains, on fixed windows: what `audit` would say of it if it were saved now."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from shape_audit.calibration import Window, WindowCutter, WindowSet, read_text, tokenizer_in_memory
from shape_audit.errors import UsageError
from shape_audit.interaction import PassPlan, ProfilePass, parse_sites, protocol_of
from shape_audit.models import as_loaded, bare_model, headers_of
from shape_audit.records import BlockUse, ModelShape, SiteInteraction, SiteUse
from shape_audit.shape import read_config, shape_of

PROTOCOLS = ("loss-gradient", "output-gradient")
"""That can be watched; projected outputs need eager attention, which a model in training need not have."""

LOGGED = {
    "sites": ("aofe", "aofe_ratio", "effective_rank", "channel_alignment"),
    "blocks": ("block_influence", "gradient_influence"),
    "widths": ("activation_effective_rank", "functional_rank"),
}


@dataclass(frozen=True)
class Observation:
    """What is seen of a model at one moment of its training.

    Attributes:
        r_dw: layers / width.
        nats_per_token: mean cross-entropy of the windows.
        sites: as in an audit's record, with their intervals.
        blocks: what each block does to the stream.
        widths: how much of the width each site uses; empty unless asked for.
        seconds: what looking took.
    """

    r_dw: float
    nats_per_token: float
    sites: tuple[SiteInteraction, ...]
    blocks: tuple[BlockUse, ...]
    widths: tuple[SiteUse, ...]
    protocol: str
    windows: int
    seconds: float

    def numbers(self) -> dict[str, float]:
        """What a logger takes: r_dw, nats_per_token, seconds; of each site and block the numbers of `LOGGED`, with _low
        and _high."""
        found = {"r_dw": self.r_dw, "nats_per_token": self.nats_per_token, "seconds": self.seconds}
        for part, names in LOGGED.items():
            for place in getattr(self, part):
                for name in names:
                    value, ends = getattr(place, name), getattr(place, f"{name}_ci")
                    if value is not None:
                        found[f"{place.name}/{name}"] = value
                    if ends is not None:
                        found[f"{place.name}/{name}_low"], found[f"{place.name}/{name}_high"] = ends
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
        dataset: as for `audit`.
        windows: how many.
        seq_len: input tokens per window.
        passage_bytes: bytes of text that a window may draw on; None for 12 times `seq_len`.
        seed: of the order of windows.

    Raises:
        IncompleteError: too little text, or a tokenizer that cannot be loaded.
    """
    loaded = tokenizer_in_memory(tokenizer)
    text = read_text(dataset)
    return WindowCutter(text, loaded, seq_len=seq_len, passage_bytes=passage_bytes, seed=seed).first(windows)


def watch(
    model: nn.Module,
    windows: WindowSet | Sequence[Window],
    *,
    protocol: str = "loss-gradient",
    sites: str = "all",
    micro_batch: int | None = None,
    use: bool = False,
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
        micro_batch: windows per forward pass; None chooses by memory.
        use: whether to look at the use of the width as well, see `audit`.

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
    model = bare_model(model)
    shape = live_shape(model)
    with as_loaded(model) as loaded:
        plan = PassPlan(
            protocol_of(protocol),
            parse_sites(sites, shape.num_hidden_layers),
            seq_len=len(chosen[0].input_ids) - 1,
            micro_batch=micro_batch,
            use=use,
        )
        a_pass = ProfilePass(loaded, shape, plan)
        a_pass.extend(chosen)
        profile = a_pass.profile()
    return Observation(
        r_dw=shape.r_dw,
        nats_per_token=profile.loss.nats_per_token,
        sites=tuple(profile.sites),
        blocks=tuple(profile.blocks or ()),
        widths=tuple(profile.widths or ()),
        protocol=protocol,
        windows=len(chosen),
        seconds=time.perf_counter() - started,
    )


def live_shape(model: nn.Module) -> ModelShape:
    """The shape of a model in memory, read from its config and parameters as `audit` reads it from files."""
    config: Any = model.config
    return shape_of(type(model).__name__, read_config(config.to_dict()), headers_of(model)).shape
