"""The best shapes of the authors' next-token sweep: do budgets share an interval of R_D/W, and does it stay?"""

from __future__ import annotations

from benchmarks.paper.claim import Claim, Outcome, Verdict
from benchmarks.paper.run import Run
from benchmarks.reporting import ROOT
from shape_audit.interval import SHIPPED_MIN_PARAMS, derive_interval, read_budgets

ZOO = ROOT / "benchmarks" / "results" / "zoo" / "table.csv"
CLAIM = Claim(
    name="best_shapes",
    sentence="One interval of R_D/W has the best shapes of all budgets in it, and it stays as budgets grow.",
    published="123 byte-level models of .3M to 10M parameters, one seed each; an efficient interaction interval that "
    "remains relatively stable (abstract of arXiv 2605.27989)",
    source="github.com/wenjie1835/Interaction_Law, commit 853f922, "
    "budget_scaling/transformer_ntp_shape_sweep/ntp_sweep_merged_by_budget_and_shape.csv",
)


def measure(run: Run) -> Outcome:
    """The claim holds where budgets share an interval at every tolerance from half to twice the usual 2 %, and the best
    ratio of the fitted law does not drift; does not hold where they share none at any; cannot be told otherwise."""
    derived = derive_interval(draws=100) if run.is_quick else derive_interval()
    tolerances = [row for row in derived.sensitivity if derived.tolerance / 2 <= row.tolerance <= 2 * derived.tolerance]
    shared = [row for row in tolerances if not row.is_empty]
    drift = None if derived.fit is None else derived.fit.drift_ci
    drifts = drift is None or not drift[0] <= 0 <= drift[1]
    verdict: Verdict = "cannot be told"
    if len(shared) == len(tolerances) and not drifts:
        verdict = "holds"
    elif not shared:
        verdict = "does not hold"
    zoo = next(iter(read_budgets(ZOO).values()))
    best = min(zoo, key=lambda shape: shape.loss)
    found = (
        f"At {derived.tolerance:.0%} of the best loss the {len(derived.budgets)} budgets from "
        f"{SHIPPED_MIN_PARAMS:,.0f} parameters on share [{derived.low:.4f}, {derived.high:.4f}]. "
        + " ".join(
            f"At {row.tolerance:.1%}: " + ("nothing." if row.is_empty else f"[{row.low:.4f}, {row.high:.4f}].")
            for row in tolerances
        )
    )
    if derived.fit is not None and drift is not None:
        found += (
            f" d ln(best R_D/W) / d ln(parameters) by the fitted law: {derived.fit.drift:+.2f} "
            f"[{drift[0]:+.2f}, {drift[1]:+.2f}]."
        )
    found += (
        f" In our own sweep of eight 300k shapes (`sweep run`, one seed) the best is {best.num_hidden_layers} x "
        f"{best.hidden_size}, R_D/W {best.num_hidden_layers / best.hidden_size:.4f}."
    )
    table = [["parameters", "shapes", "within 2 %", "from", "to", "best"]]
    for budget in derived.budgets:
        edges = [f"{edge:.4f}" if edge is not None else "open" for edge in (budget.low, budget.high)]
        table.append([
            f"{budget.target_params:,}", str(budget.shapes), str(budget.within), *edges, f"{budget.best_r_dw:.4f}",
        ])  # fmt: skip
    return Outcome(found, verdict, table, ["one seed a cell: what another seed would move is not in the interval"])
