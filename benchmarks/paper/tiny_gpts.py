"""The authors' fifteen tiny GPTs of 3M parameters, from the figures they stored, which are of two runs."""

from __future__ import annotations

import numpy as np

from benchmarks.paper.claim import INTERACTION_LAW, Claim, Outcome
from benchmarks.paper.correlation import spearman
from benchmarks.paper.published.tables import rows_of
from benchmarks.paper.run import Run
from benchmarks.paper.scan import CLAIMED, verdict_on
from shape_audit.interval import shipped_interval
from shape_audit.interval.random_basis import effective_rank
from shape_audit.shipped import rows

CLAIM = Claim(
    name="tiny_gpts",
    sentence=f"{CLAIMED} Byte-level GPTs of 2 to 16 layers.",
    published="correlations of the loss: Spearman -.75 with AOFE, -.86 with the ratio, Pearson -.09 and -.76; lowest "
    "loss 1.279 in the summary of the figures, 1.232 in the table beside it",
    source=f"{INTERACTION_LAW}, shape_scan/results_tiny_gpt_depth_aofe/: correlations.json, depth_scan_results.csv, "
    "figures/depth_scan_summary.txt",
)


def measure(run: Run) -> Outcome:
    """By the rule of `scan`, on the authors' plug-in numbers; nothing is trained here."""
    models = rows("tiny_gpt_scan")
    column = {name: np.array([float(row[name]) for row in models]) for name in models[0]}
    ratio, loss, width = column["aofe_ratio"], column["val_ce"], column["hidden_size"]
    rank = effective_rank(column["aofe"], ratio, column["mean_cos2"])
    basis = 1 - (rank + 2) / (width + 2)
    verdict, words = verdict_on(
        loss.tolist(),
        {"aofe_plugin": column["aofe"].tolist(), "aofe_ratio_plugin": ratio.tolist(),
         "aofe_ratio_excess": (ratio - basis).tolist()},
    )  # fmt: skip
    summary = rows_of("tiny_gpt_summary.csv")
    other = np.array(summary["loss"])
    interval, best = shipped_interval(), int(loss.argmin())
    r_dw = column["num_hidden_layers"] / width
    pearson = [float(np.corrcoef(loss, values)[0, 1]) for values in (column["aofe"], ratio)]
    found = (
        f"{words} Width itself: {spearman(width.tolist(), loss.tolist())}; a random basis explains "
        f"{np.corrcoef(ratio, basis)[0, 1] ** 2:.0%} of the ratio's variance. Pearson's {pearson[0]:+.2f} and "
        f"{pearson[1]:+.2f}. The lowest loss is at {int(column['num_hidden_layers'][best])} layers, R_D/W "
        f"{r_dw[best]:.4f}, where the paper's interval is [{interval.low:.4f}, {interval.high:.4f}]."
    )
    table = [["layers x width", "loss, table", "loss, summary", "AOFE", "AOFE-ratio", "random basis", "effective rank"]]
    for i, row in enumerate(models):
        table.append([
            f"{row['num_hidden_layers']} x {row['hidden_size']}", f"{loss[i]:.4f}", f"{other[i]:.4f}",
            f"{column['aofe'][i]:.4g}", f"{ratio[i]:.3f}", f"{basis[i]:.3f}", f"{rank[i]:.1f}",
        ])  # fmt: skip
    return Outcome(found, verdict, table, [
        f"table and summary differ at every shape, by {(other - loss).min():.3f} to {(other - loss).max():.3f} nats: "
        f"the summary is of another run. Both put the best at {int(summary['depth'][int(other.argmin())])} layers; "
        f"rank correlation of the two losses {spearman(loss.tolist(), other.tolist())}",
        "the stored correlations are the table's" if _same(pearson, (-0.0872, -0.7608)) else
        f"the stored Pearson correlations (-.0872, -.7608) are not the table's ({pearson[0]:.4f}, {pearson[1]:.4f})",
        "one seed a shape, plug-in numbers; there is no sample to take U-statistics from",
    ])  # fmt: skip


def _same(found: list[float], stored: tuple[float, float]) -> bool:
    return bool(np.allclose(found, stored, atol=5e-4))
