"""A tiny model of one architecture, audited as a user would, against float64 sums over explicit outer products."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PretrainedConfig

import shape_audit
from benchmarks.checkpoints import save_with_tokenizer
from benchmarks.tiny_configs import tiny_config
from shape_audit.errors import ShapeAuditError
from shape_audit.interaction import parse_sites
from shape_audit.interaction.twins.profile_twin import ExactSite, exact_sites
from shape_audit.models.blocks import find_blocks
from shape_audit.records import AuditRecord, SiteInteraction

WINDOWS, SEQ_LEN, MICRO_BATCH = 6, 16, 4
SPREAD = 0.2
"""Standard deviation of fresh matrices, and half that of what is added to biases and norms: of a fresh model these are
zeros and ones, which hides mistakes."""
LARGEST = 1e8
"""Parameters beyond which a config did not become tiny."""


def measure(model_type: str, **changes: Any) -> dict[str, Any]:
    """One type: the outcome (measured, refused, cannot be built), why, and the largest errors of a number.

    Args:
        **changes: see `tiny_config`.
    """
    try:
        model = tiny_model(tiny_config(model_type, **changes))
    except Exception as error:  # a config that its own class, or its forward, cannot use
        return {"outcome": "cannot be built", "detail": _line(error)}
    with TemporaryDirectory(prefix="tiny-") as name:
        folder = Path(name)
        save_with_tokenizer(model, folder)
        _write_whole_config(tiny_config(model_type, **changes), type(model).__name__, folder)
        try:
            record = _audit(folder, "float32")
        except ShapeAuditError as error:
            return {"outcome": "refused", "detail": str(error).replace(f"{folder.name}: ", "")}
        lines = (folder / "windows.jsonl").read_text().splitlines()[1:]
        windows = [json.loads(line)["input_ids"] for line in lines]
        found = {
            "outcome": "measured",
            "detail": "dense" if record.shape.is_dense else _reason(record),
            "notes": [note for note in record.notes if "disagree" in note],
        }
        twin_dtype, exact, twins = _twins(folder, tiny_config(model_type, **changes), record, windows)
        errors = {"float32": _error(record, twins)}
        if twin_dtype == "float64":
            errors["float64"] = _error(_audit(folder, "float64"), twins)
    stream = stream_is_hidden_states(exact, find_blocks(exact, record.shape.num_hidden_layers), windows[0])
    return found | {"twin": twin_dtype, "errors": errors, "stream": stream}


def _twins(
    folder: Path, config: PretrainedConfig, record: AuditRecord, windows: list[list[int]]
) -> tuple[str, Any, list[ExactSite]]:
    """The dense computation in float64, or in float32 where the model's own code has no other."""
    for dtype in (torch.float64, torch.float32):
        exact: Any = AutoModelForCausalLM.from_pretrained(
            folder, config=deepcopy(config), dtype=dtype, experts_implementation="eager"
        )
        try:
            twins = exact_profile(exact.eval().requires_grad_(False), record, windows)
            return str(dtype).removeprefix("torch."), exact, twins
        except RuntimeError:
            continue
    raise AssertionError(f"{config.model_type}: was measured, and its forward fails")


def _audit(folder: Path, dtype: str) -> AuditRecord:
    return shape_audit.audit(
        str(folder), windows=WINDOWS, seq_len=SEQ_LEN, micro_batch=MICRO_BATCH, device="cpu", dtype=dtype,
        save_windows=folder / "windows.jsonl",
    )  # fmt: skip


def _write_whole_config(config: PretrainedConfig, architecture: str, folder: Path) -> None:
    """Of several towers too; the text model's class has saved its own alone."""
    config.architectures = [architecture]
    config.save_pretrained(folder)


def _reason(record: AuditRecord) -> str:
    note = next(note for note in record.notes if note.startswith("not dense: "))
    return note.partition("; ")[0]


def exact_profile(model: Any, record: AuditRecord, windows: list[list[int]]) -> list[ExactSite]:
    """Every site of a record, from first principles."""
    depth = record.shape.num_hidden_layers
    sites = parse_sites("all", depth)
    found = exact_sites(model, find_blocks(model, depth), windows, sites)
    return [found[site] for site in sites]


def tiny_model(config: PretrainedConfig) -> Any:
    """A model of random weights whose forward runs."""
    if hasattr(config.get_text_config(decoder=True), "initializer_range"):
        config.get_text_config(decoder=True).initializer_range = SPREAD
    with torch.device("meta"):
        size = sum(parameter.numel() for parameter in AutoModelForCausalLM.from_config(config).parameters())
    if size > LARGEST:
        raise ValueError(f"its smallest config has {size:,} parameters")
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval().requires_grad_(False)
    for parameter in model.parameters():
        if parameter.ndim == 1:
            parameter += SPREAD / 2 * torch.randn_like(parameter)
    model(input_ids=torch.arange(5, 5 + SEQ_LEN).unsqueeze(0), use_cache=False)
    return model


def stream_is_hidden_states(model: Any, blocks: list[nn.Module], window: list[int]) -> str:
    """Whether what goes from block to block is what the model itself calls its hidden states."""
    seen: list[Tensor] = []

    def look(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        seen.append(args[0] if args else kwargs["hidden_states"])

    hooks = [block.register_forward_pre_hook(look, with_kwargs=True) for block in blocks[1:]]
    try:
        output = model(input_ids=torch.tensor([window[:-1]]), use_cache=False, output_hidden_states=True)
    finally:
        for hook in hooks:
            hook.remove()
    states = getattr(output, "hidden_states", None) or ()
    if len(states) < len(seen):
        return "not told"
    told = all(any(a.shape == b.shape and torch.equal(a, b) for b in states) for a in seen)
    return "yes" if told else "no"


def _error(record: AuditRecord, twins: list[ExactSite]) -> float:
    assert record.interaction is not None
    return max(_error_at(site, exact) for site, exact in zip(record.interaction.sites, twins, strict=True))


def _error_at(site: SiteInteraction, exact: ExactSite) -> float:
    """The largest relative error of plug-in energy and trace, and absolute error of the unbiased ratio."""
    aofe = exact.total_plugin - exact.diagonal_plugin
    trace = exact.trace2_plugin**0.5
    ratio = 1 - exact.diagonal_u / exact.total_u
    assert site.aofe_ratio_raw is not None
    return max(
        abs(site.aofe_plugin - aofe) / exact.total_plugin,
        abs(site.trace - trace) / trace,
        abs(site.aofe_ratio_raw - ratio),
    )


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:160]
