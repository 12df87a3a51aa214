"""Byte-level GPTs of 300k parameters: loss against interaction over one-hot inputs, the follow-up's quantity."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

import shape_audit
from benchmarks.fidelity import windows_of
from benchmarks.paper.best_shapes import ZOO
from benchmarks.paper.claim import SHAPE_SCALING, Claim, Outcome
from benchmarks.paper.correlation import spearman
from benchmarks.paper.run import Run
from benchmarks.paper.scan import verdict_on
from shape_audit.calibration import read_text
from shape_audit.hub import read_checkpoint
from shape_audit.interval.sweep_table import read_rows
from shape_audit.models import LoadOptions, load_model

MODELS = tuple(f"zoo-300k-{shape}" for shape in ("1x144", "2x104", "4x80", "8x56", "12x48", "16x40"))
TEXT = "builtin:python-docs"
NUMBERS = ("aofe", "aofe_plugin", "aofe_ratio", "aofe_ratio_plugin", "aofe_ratio_excess", "aofe_ratio_ci",
           "aofe_ratio_random_basis", "effective_rank", "trace")  # fmt: skip
CLAIM = Claim(
    name="input_simplex_scan",
    sentence="At a fixed number of parameters, language models with a lower loss interact more efficiently over their "
    "one-hot inputs: loss rises with AOFE and falls with the AOFE-ratio.",
    published="no numbers: the estimator and a scan that uses it, and no result tables",
    source=f"{SHAPE_SCALING}, language_model/input_agop.py, transformer_ntp_shape_sweep.py, README.md",
)


def measured(model: str, windows: int, seq_len: int) -> dict[str, Any]:
    """Of one built-in model: loss, interaction by the protocol `input-simplex`, and the logits' root mean square."""
    name = f"builtin:{model}"
    record = shape_audit.audit(
        name, protocol="input-simplex", windows=windows, seq_len=seq_len, passage_bytes=seq_len * 3 // 2
    )
    assert record.interaction is not None and record.loss is not None and record.shape.r_dw is not None
    site = record.interaction.sites[0].model_dump(mode="json")
    network = load_model(read_checkpoint(name), LoadOptions()).model
    cut = windows_of(name, read_text(TEXT), windows, seq_len).windows
    with torch.no_grad():
        last_BV = network(input_ids=torch.tensor([window.input_ids[:-1] for window in cut])).logits[:, -1]
    rms = float((last_BV - last_BV.mean(1, keepdim=True)).square().mean().sqrt())
    return {
        **{name: site[name] for name in NUMBERS},
        "loss": test_loss(record.shape.num_hidden_layers, record.shape.hidden_size),
        "loss_of_text": record.loss.nats_per_token,
        "r_dw": record.shape.r_dw,
        "aofe_of_normalised": site["aofe"] / rms**4,
    }


def test_loss(depth: int, width: int) -> float:
    """Nats per byte on the books that were held out when the model was trained."""
    losses = {(row["num_hidden_layers"], row["hidden_size"]): row["test_ce"] for _, row in read_rows(ZOO)}
    return float(losses[str(depth), str(width)])


def measure(run: Run) -> Outcome:
    """By the rule of `scan`, on six trained shapes that ship."""
    models = MODELS[2:4] if run.is_quick else MODELS
    windows, seq_len = (8, 16) if run.is_quick else (256, 128)
    settings = {"windows": windows, "seq_len": seq_len, "text": TEXT}
    rows = [run.piece(model, settings, partial(measured, model, windows, seq_len)) for model in models]
    losses = [row["loss"] for row in rows]
    verdict, words = verdict_on(losses, {name: [row[name] for row in rows] for name in NUMBERS[:5]})
    normalised = spearman([row["aofe_of_normalised"] for row in rows], losses)
    other = spearman([row["loss_of_text"] for row in rows], losses)
    table = [["model", "R_D/W", "loss", "AOFE", "plug-in", "AOFE-ratio", "plug-in", "random basis", "effective rank"]]
    for model, row in zip(models, rows, strict=True):
        low, high = row["aofe_ratio_ci"]
        table.append([
            model, f"{row['r_dw']:.4f}", f"{row['loss']:.4f}", f"{row['aofe']:.3g}", f"{row['aofe_plugin']:.3g}",
            f"{row['aofe_ratio']:.4f} ± {(high - low) / 2:.4f}", f"{row['aofe_ratio_plugin']:.4f}",
            f"{row['aofe_ratio_random_basis']:.4f}", f"{row['effective_rank']:.1f}",
        ])  # fmt: skip
    return Outcome(words, verdict, table, [
        f"of logits divided by their root mean square, as theirs are: AOFE {normalised}",
        f"interaction on {windows} windows of {seq_len} bytes of {TEXT}, the loss on held-out books; rank "
        f"correlation of that with the loss on the same windows {other}",
        "one seed a shape; trained by `sweep run` on 18 MB of books",
    ])  # fmt: skip
