"""Whether the error bars hold: bias, spread and coverage of every estimate, on real trained models.

A pool of 2,048 windows stands for the text; its U-statistics are the truth. Thousands of samples of 8 to 256 windows
are drawn from it without repetition, and each goes through the package's own `unbiased` and `ErrorBars`. The pool's
products <A_s, A_r> are computed once, so that a sample costs no forward pass; that these are the sums a real pass makes
is what tests/interaction/test_fidelity.py checks.

Drawing from a finite pool makes estimates vary less than the text would, by sqrt(1 - K / P): intervals are narrowed by
the same factor before they are held against the pool's value (at most 6.5 %).

    .venv/bin/python benchmarks/fidelity.py [--books FILE]       # books: text for builtin:books-300k, .txt or .txt.xz
"""

from __future__ import annotations

import argparse
import lzma
import math
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from torch import Tensor

from benchmarks.reporting import ROOT, heading, publish, result_path
from shape_audit.calibration import CalibrationText, WindowCutter, WindowSet, load_tokenizer, read_text
from shape_audit.hub import read_checkpoint
from shape_audit.interaction import Site
from shape_audit.interaction.estimators.error_bars import ErrorBars
from shape_audit.interaction.estimators.statistics import Energies, unbiased
from shape_audit.interaction.estimators.window_rows import WindowRows
from shape_audit.interaction.protocols.loss_gradient import LossGradient
from shape_audit.interaction.stream.micro_batch import MicroBatch
from shape_audit.models import LoadOptions, load_model
from shape_audit.models.blocks import find_blocks

POOL, SEQ_LEN, PASSAGE_BYTES, DRAWS = 2048, 128, 192, 2000
COUNTS = (8, 16, 32, 64, 128, 256)
BOOKS = ROOT.parent / "shared" / "materials" / "corpus" / "test.txt.xz"


@dataclass(frozen=True)
class Pool:
    """Everything a sample of windows needs to know about one site.

    Attributes:
        inner_PP: <A_s, A_r> of all pairs of windows.
        diagonal_PD: diag(A_s).
        tokens: of each window.
        inner_diagonal_PP, inner_trace_PP: the same products of diagonals and of traces.
    """

    inner_PP: Tensor
    diagonal_PD: Tensor
    tokens: int
    inner_diagonal_PP: Tensor
    inner_trace_PP: Tensor

    @classmethod
    def of(cls, inner_PP: Tensor, diagonal_PD: Tensor, tokens: int) -> Pool:
        traces = diagonal_PD.sum(1)
        return cls(inner_PP, diagonal_PD, tokens, diagonal_PD @ diagonal_PD.T, torch.outer(traces, traces))

    def rows(self, chosen: Tensor) -> tuple[float, WindowRows]:
        """The sum of the products of all pairs, and the rows of a sample: as a pass in this order has them."""
        count = len(chosen)
        inner_KK = self.inner_PP[chosen][:, chosen]
        reference_K = torch.tensor([2 ** int(math.log2(i)) if i >= 4 else 0 for i in range(count)])
        before_KK = torch.arange(count) < reference_K.unsqueeze(1)
        rows = WindowRows(
            index_K=torch.arange(count),
            tokens_K=torch.full((count,), self.tokens),
            diagonal_KD=self.diagonal_PD[chosen],
            energy_K=inner_KK.diagonal(),
            inner_K=(inner_KK * before_KK).sum(1),
            inner_diagonal_K=(self.inner_diagonal_PP[chosen][:, chosen] * before_KK).sum(1),
            inner_trace_K=(self.inner_trace_PP[chosen][:, chosen] * before_KK).sum(1),
            reference_tokens_K=reference_K * self.tokens,
        )
        return float(inner_KK.triu(1).sum()), rows


class Collector:
    """Stands where a pass has its sums, and keeps every window's own A_s."""

    def __init__(self, width: int) -> None:
        self.width, self.agop, self.diagonal = width, [], []

    def add(self, grad_BTD: Tensor, first: int) -> None:
        self.agop.append((grad_BTD.mT @ grad_BTD).flatten(1))
        self.diagonal.append(grad_BTD.square().sum(1, dtype=torch.float64))


def windows_of(model: str, text: CalibrationText, count: int, seq_len: int = SEQ_LEN) -> WindowSet:
    tokenizer = load_tokenizer(read_checkpoint(model).folder, model)
    return WindowCutter(text, tokenizer, seq_len=seq_len, passage_bytes=seq_len * 3 // 2).first(count)


def pools(model: str, windows: WindowSet, sites: list[Site]) -> dict[Site, Pool]:
    """The pool of every site, by one pass over all windows."""
    loaded = load_model(read_checkpoint(model), LoadOptions(dtype="float32", device="cpu"))
    config = loaded.model.config
    blocks = find_blocks(loaded.model, config.num_hidden_layers)
    collected = {site: Collector(config.hidden_size) for site in sites}
    ids = torch.tensor([window.input_ids for window in windows.windows])
    for first in range(0, len(ids), 16):
        LossGradient().add_micro_batch(loaded.model, blocks, MicroBatch(ids[first : first + 16], first), collected)
    found = {}
    for site, collector in collected.items():
        agop = torch.cat(collector.agop)
        found[site] = Pool.of((agop @ agop.T).double(), torch.cat(collector.diagonal), windows.seq_len)
    return found


def truth_of(pool: Pool) -> Energies:
    truth = unbiased(*pool.rows(torch.arange(len(pool.diagonal_PD))))
    assert truth is not None
    return truth


def measure(pool: Pool, count: int, draws: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Estimates and intervals of many samples: name -> one value a sample."""
    generator = torch.Generator().manual_seed(seed)
    size = len(pool.diagonal_PD)
    narrower = math.sqrt(1 - count / size)
    truth = truth_of(pool)
    found: dict[str, list[float]] = {}
    for _ in range(draws):
        chosen = torch.randperm(size, generator=generator)[:count]
        pair_products, rows = pool.rows(chosen)
        energies = unbiased(pair_products, rows)
        assert energies is not None
        n = rows.tokens
        norm2 = 2 * pair_products + float(rows.energy_K.sum())
        diagonal = float(rows.diagonal_KD.sum(0).square().sum())
        bars = ErrorBars(energies, rows)
        row = {
            "total": energies.total, "diagonal": energies.diagonal, "total plug-in": norm2 / n**2,
            "ratio plug-in": 1 - diagonal / norm2, "ratio raw": energies.aofe_ratio,
            "ratio": bars.corrected("aofe_ratio"), "aofe": energies.aofe,
        }  # fmt: skip
        low, high = bars.quotient_interval("aofe_ratio")
        middle, half = (low + high) / 2, (high - low) / 2
        row["ratio low"], row["ratio high"] = middle - half * narrower, middle + half * narrower
        row["ratio covers"] = row["ratio low"] <= truth.aofe_ratio <= row["ratio high"]
        row["ratio half-width"] = half
        low, high = bars.aofe_interval()
        if energies.aofe > 0:
            log_half = math.log(high / energies.aofe) * narrower
            row["aofe covers"] = abs(math.log(energies.aofe / truth.aofe)) <= log_half if truth.aofe > 0 else False
        else:
            row["aofe covers"] = low <= truth.aofe <= high
        for key, value in row.items():
            found.setdefault(key, []).append(float(value))
    return {key: np.array(values) for key, values in found.items()}


def read_books(path: Path) -> CalibrationText:
    content = path.read_bytes()
    return CalibrationText(path.name, lzma.decompress(content) if path.suffix == ".xz" else content)


def figure(results: dict[tuple[str, str, int], dict], counts: tuple[int, ...], path: Path) -> None:
    """Bias and coverage against the number of windows."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    markers = iter("osD^vX")
    for model, site in dict.fromkeys((model, site) for model, site, _ in results):
        marker = next(markers)
        rows = [results[model, site, count] for count in counts]
        name = f"{model.removeprefix('builtin:')}, {site}"
        (line,) = left.plot(counts, [row["bias plug-in"] for row in rows], marker=marker, ls=":", lw=1)
        left.plot(counts, [row["bias"] for row in rows], marker=marker, color=line.get_color(), label=name)
        right.plot(counts, [100 * row["ratio coverage"] for row in rows], marker=marker, label=name)
    left.set(xscale="log", xlabel="windows", ylabel="bias of the AOFE-ratio", xticks=counts, xticklabels=counts)
    left.set_title("dotted: plug-in, solid: U-statistic, corrected", fontsize=10)
    right.set(xscale="log", xlabel="windows", ylabel="coverage of 95 % intervals, %", xticks=counts, xticklabels=counts)
    right.axhspan(92, 98, color="0.9", zorder=0)
    right.set_title("AOFE-ratio; grey: 92 to 98 %", fontsize=10)
    for axis in (left, right):
        axis.minorticks_off()
        axis.spines[["top", "right"]].set_visible(False)
    right.legend(fontsize=8, frameon=False)
    fig.savefig(path, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--books", type=Path, default=BOOKS)
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="numbers of windows in a sample")
    parser.add_argument("--save", action="store_true", help="keep the result and its figure in benchmarks/results")
    options = parser.parse_args()
    texts = {"builtin:bytes-1m": read_text(), "builtin:books-300k": read_books(options.books)}
    results: dict[tuple[str, str, int], dict] = {}
    lines = []
    for model, text in texts.items():
        depth = read_checkpoint(model).config["num_hidden_layers"]
        sites = [Site(0), Site((depth + 1) // 2), Site(depth)]
        for site, pool in pools(model, windows_of(model, text, POOL), sites).items():
            truth = truth_of(pool)
            for count in options.counts:
                found = measure(pool, count, options.draws)
                large = measure(pool, 512, 200, seed=1) if count == 8 else None
                overlap = None
                if large is not None:
                    begins, ends = found["ratio low"][:200], found["ratio high"][:200]
                    overlap = np.mean((begins <= large["ratio high"]) & (ends >= large["ratio low"]))
                row = {
                    "bias plug-in": found["ratio plug-in"].mean() - truth.aofe_ratio,
                    "bias raw": found["ratio raw"].mean() - truth.aofe_ratio,
                    "bias": found["ratio"].mean() - truth.aofe_ratio,
                    "standard deviation": found["ratio"].std(),
                    "half-width": found["ratio half-width"].mean(),
                    "ratio coverage": found["ratio covers"].mean(),
                    "aofe coverage": found["aofe covers"].mean(),
                }
                results[model, site.name, count] = row
                lines.append(
                    f"| {model.removeprefix('builtin:')} | {site.name} | {truth.aofe_ratio:.4f} | {count} "
                    f"| {row['bias plug-in']:+.4f} | {row['bias raw']:+.4f} | {row['bias']:+.4f} "
                    f"| {row['standard deviation']:.4f} | {row['half-width']:.4f} | {100 * row['ratio coverage']:.1f} "
                    f"| {100 * row['aofe coverage']:.1f} | {'' if overlap is None else f'{100 * overlap:.0f}'} |"
                )
                print(lines[-1], file=sys.stderr, flush=True)
    picture = result_path(__file__).with_suffix(".png")
    if options.save:
        figure(results, tuple(options.counts), picture)
    header = (
        "model", "site", "AOFE-ratio", "windows", "bias plug-in", "bias raw", "bias corrected", "s.d. corrected",
        "half-width", "coverage ratio %", "coverage log AOFE %", "overlap with 512 %",
    )  # fmt: skip
    text = heading("Bias, spread and coverage of the interaction estimates")
    text += f"""
{options.draws:,} samples each from a pool of {POOL:,} windows of {SEQ_LEN} tokens, float32; protocol loss-gradient.
Bias, standard deviation and half-width are of the AOFE-ratio; coverage is of 95 % intervals. Target: 92 to 98 % from 32
windows on. Overlap: of 200 intervals from 8 windows with as many from 512 (target: at least 90 %).

| {" | ".join(header)} |
| --- | --- |{" ---: |" * (len(header) - 2)}
"""
    text += "\n".join(lines) + f"\n\n![bias and coverage]({picture.name})"
    publish(__file__, text)


if __name__ == "__main__":
    main()
