"""Open models trained alike, Gemstones: do shapes inside the paper's interval have the lower losses?"""

from __future__ import annotations

from statistics import mean

from benchmarks.paper.claim import Claim, Outcome, Verdict
from benchmarks.paper.run import Run
from shape_audit.interval import shipped_interval
from shape_audit.records import ComparedShape
from shape_audit.yardsticks import yardstick_report

CLAIM = Claim(
    name="open_models",
    sentence="Models whose R_D/W lies near the efficient interaction interval do better than others of their budget.",
    published="small dense LLMs near the interval tend to be better at MMLU-Pro (models of different data, tokens and "
    "recipes)",
    source="abstract of arXiv 2605.27989; losses here: Gemstones, arXiv 2502.06857, shape_audit/data/yardsticks",
)


def measure(run: Run) -> Outcome:
    """22 models of one recipe in place of models that differ in everything. The claim holds where the best ratio of the
    fitted law, its whole interval, lies inside; does not hold where that lies outside; cannot be told otherwise."""
    report, interval = yardstick_report("gemstones"), shipped_interval()
    assert interval.low is not None and interval.high is not None
    law = report.law
    assert law.a_star_ci is not None
    low, high = law.a_star_ci
    verdict: Verdict = "cannot be told"
    if interval.low <= low and high <= interval.high:
        verdict = "holds"
    elif high < interval.low or low > interval.high:
        verdict = "does not hold"
    table = [["held equal", "tokens", "budget", "best R_D/W", "inside: mean excess loss", "outside"]]
    for comparison in report.comparisons:
        budgets = dict.fromkeys(shape.budget for shape in comparison.shapes)
        for budget in budgets:
            shapes = [shape for shape in comparison.shapes if shape.budget == budget]
            best = min(shapes, key=lambda shape: shape.loss)
            inside = [shape for shape in shapes if interval.low <= _r_dw(shape) <= interval.high]
            outside = [shape for shape in shapes if shape not in inside]
            table.append([
                "total parameters" if comparison.price == "tokens" else "device time",
                f"{comparison.tokens / 1e9:.0f}B", budget, f"{_r_dw(best):.4f}", _excess(inside), _excess(outside),
            ])  # fmt: skip
    found = (
        f"At equal non-embedding parameters and tokens the best R_D/W is {law.a_star:.4f} [{low:.4f}, {high:.4f}], the "
        f"interval [{interval.low:.4f}, {interval.high:.4f}]; half a percent of the loss is lost only outside "
        f"[{report.bands[0].low:.4f}, {report.bands[0].high:.4f}]."
    )
    return Outcome(found, verdict, table, [
        "losses and not MMLU-Pro: what `shape-audit link` says of published scores is in README.md",
        "interaction of open models is not measured here: `shape-audit interval --records DIR` does that over audits",
        "one seed a shape; above R_D/W .06 nothing was trained from 500M on",
    ])  # fmt: skip


def _r_dw(shape: ComparedShape) -> float:
    return shape.num_hidden_layers / shape.hidden_size


def _excess(shapes: list[ComparedShape]) -> str:
    return f"{mean(shape.loss_excess for shape in shapes):.2%} ({len(shapes)})" if shapes else "–"
