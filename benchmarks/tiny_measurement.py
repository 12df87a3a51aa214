"""A tiny model of one architecture, audited as a user would, against float64 sums over explicit outer products."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

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


def measure(model_type: str) -> dict[str, Any]:
    """One type: the outcome (measured, refused, cannot be built), why, and the largest errors of a number."""
    try:
        model = tiny_model(model_type)
    except Exception as error:  # a config that its own class, or its forward, cannot use
        return {"outcome": "cannot be built", "detail": _line(error)}
    with TemporaryDirectory(prefix="tiny-") as name:
        folder = Path(name)
        save_with_tokenizer(model, folder)
        _as_its_type(folder, model_type, type(model).__name__)
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
        try:
            exact = AutoModelForCausalLM.from_pretrained(
                folder, config=tiny_config(model_type), dtype=torch.float64, experts_implementation="eager"
            )
            twins = exact_profile(exact.eval().requires_grad_(False), record, windows)
            errors = {f"error_{dtype}": _error(_audit(folder, dtype), twins) for dtype in ("float32", "float64")}
        except (RuntimeError, ValueError) as error:
            return found | {"twin": f"no float64: {_line(error)}"}
    stream = stream_is_hidden_states(exact, find_blocks(exact, record.shape.num_hidden_layers), windows[0])
    return found | errors | {"stream": stream}


def _audit(folder: Path, dtype: str) -> AuditRecord:
    return shape_audit.audit(
        str(folder), windows=WINDOWS, seq_len=SEQ_LEN, micro_batch=MICRO_BATCH, device="cpu", dtype=dtype,
        save_windows=folder / "windows.jsonl",
    )  # fmt: skip


def _as_its_type(folder: Path, model_type: str, architecture: str) -> None:
    """Write the whole config: of several towers, the text model's class saves its own alone."""
    config = tiny_config(model_type)
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


def tiny_model(model_type: str) -> Any:
    """A model of random weights whose forward runs."""
    config = tiny_config(model_type)
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
    """Whether what goes into each block is what the model itself calls its hidden states."""
    seen: list[Tensor] = []
    hooks = [
        block.register_forward_pre_hook(lambda m, a, k: seen.append(a[0] if a else k["hidden_states"]), with_kwargs=True)
        for block in blocks
    ]  # fmt: skip
    try:
        output = model(input_ids=torch.tensor([window[:-1]]), use_cache=False, output_hidden_states=True)
    except Exception as error:
        return f"not told ({_line(error)})"
    finally:
        for hook in hooks:
            hook.remove()
    states = getattr(output, "hidden_states", None)
    if states is None or len(states) < len(seen):
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
