"""From the shipped sweeps to `data/yardsticks/laws.json`: what a cost follows from, so that nobody fits at start-up."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shape_audit.shipped import DATA, rows
from shape_audit.yardsticks.law_fit import FittedLaw, Levels, TrainedShape, fit_law
from shape_audit.yardsticks.sweep_files import LEAST_TOKENS, SHIPPED_SWEEPS, gemstones_curve

Floats = NDArray[np.float64]
SHIPPED_DRAWS = 500
"""Of the resamples of a law: those that ship, and from which a cost gets its interval."""

ABOUT: dict[str, dict[str, Any]] = {
    "gemstones": {
        "description": "22 models of 50M-2B trained alike (Gemstones)",
        "source": "Gemstones, McLeish et al., NeurIPS 2025, arXiv 2502.06857; data MIT",
        "basis": "non-embedding",
        "tokens_range": [LEAST_TOKENS, 350e9],
        "doubts": [
            "one run per shape and one learning-rate rule for all: run-to-run noise is unknown, and so is what tuning "
            "each shape would gain",
            "from 500M parameters up nothing deeper than R_D/W 0.059 was trained, and at 1B and 2B the deepest shape "
            "trained is the best",
            "narrow shapes also have few heads: the two effects cannot be separated",
            "training times come from one code base on MI250X accelerators, with node counts that differ within a "
            "budget: at 2B, which shape is best at equal time is uncertain",
        ],
    },
    "morph": {
        "description": "the 74 runs of the morph study, 80M-1.7B",
        "source": "Bian, Yan, Venkataraman, ICML 2025, arXiv 2501.18107; data MIT",
        "basis": "non-embedding",
        "tokens_range": [1.6e9, 49.4e9],
        "doubts": [
            "its losses are training losses averaged over the whole run, which favours shapes that learn early",
            "tokens grow with size, so the two effects cannot be separated",
            "the shapes of a budget have equal total parameters; a fitted slope moves them to equal non-embedding ones",
        ],
    },
    "byte-sweep": {
        "description": "the paper's byte models of 1M-10M",
        "source": "sweep of arXiv 2605.27989 (github.com/wenjie1835/Interaction_Law, commit 853f922)",
        "basis": "total",
        "tokens_range": None,
        "doubts": ["byte-level models of 1M-10M parameters, one run per shape: a long way from language models"],
    },
}
LEVELS: dict[str, Levels] = {"gemstones": "size curve", "morph": "budgets and size", "byte-sweep": "budgets"}


def write_laws() -> None:
    """Fit every shipped yardstick and write the file."""
    content = {name: shipped_law(name) for name in ABOUT}
    (DATA / "yardsticks" / "laws.json").write_text(as_lines(content), encoding="utf-8")


def as_lines(content: dict[str, Any]) -> str:
    """JSON with a line for each entry but a yardstick's own."""
    parts = []
    for name, entry in content.items():
        lines = ",\n".join(f'    "{key}": {json.dumps(value, separators=(",", ":"))}' for key, value in entry.items())
        parts.append(f'  "{name}": {{\n{lines}\n  }}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def shipped_law(name: str) -> dict[str, Any]:
    """One entry of the file."""
    shapes = SHIPPED_SWEEPS[name]()
    found = fit_law(shapes, LEVELS[name])
    is_timed = name == "gemstones"
    fitted, drawn = _elasticities(found) if is_timed else ((0.0, 0.0), None)
    draws = found.draws if drawn is None else np.column_stack([found.draws, drawn])
    return {
        **ABOUT[name],
        "law": json.loads(found.law.model_dump_json()),
        "elasticities": list(fitted),
        "groups": groups_of(shapes),
        "size": _size_effect(found) if is_timed else None,
        "draws": [[float(f"{number:.5g}") for number in draw] for draw in draws[:SHIPPED_DRAWS]],
    }


def groups_of(shapes: Sequence[TrainedShape]) -> list[dict[str, Any]]:
    """The budgets of a sweep by size: geometric mean of the parameters, and from where to where R_D/W goes."""
    found = []
    for budget in {shape.budget for shape in shapes}:
        members = [shape for shape in shapes if shape.budget == budget]
        ratios = [shape.r_dw for shape in members]
        params = math.exp(sum(math.log(shape.params) for shape in members) / len(members))
        found.append({"params": round(params), "r_dw": [min(ratios), max(ratios)]})
    return sorted(found, key=lambda group: (group["params"], group["r_dw"]))


def _elasticities(found: FittedLaw) -> tuple[tuple[float, float], Floats]:
    """d ln(time) / d ln R_D/W at equal non-embedding and at equal total parameters, and both (D, 2) of each resample.

    Least squares of ln(accelerator-seconds a token) on 1, ln N and ln R.
    """
    models = rows("yardsticks/gemstones_models")
    time_S = np.log([float(row["gcd_seconds_per_mtoken"]) for row in models])
    x_S = np.log([int(row["depth"]) / int(row["width"]) for row in models])
    fitted, of_draws = [], []
    for column in ("params_non_embedding", "params_total"):
        n_S = np.log([float(row[column]) for row in models])
        design_SP = np.column_stack([np.ones_like(n_S), n_S, x_S])
        fitted.append(float(np.linalg.lstsq(design_SP, time_S, rcond=None)[0][-1]))
        of_draws.append([
            np.linalg.lstsq(design_SP * weight_S[:, None], time_S * weight_S, rcond=None)[0][-1]
            for weight_S in np.sqrt(found.drawn[:SHIPPED_DRAWS])
        ])  # fmt: skip
    rest = len(found.drawn) - len(of_draws[0])
    return (fitted[0], fitted[1]), np.pad(np.column_stack(of_draws), ((0, rest), (0, 0)))


def _size_effect(found: FittedLaw) -> dict[str, Any]:
    """`yardstick.SizeEffect`: the size curve of the law, and the law of size and tokens over all checkpoints."""
    from scipy.optimize import least_squares

    assert found.size_slope is not None
    known = rows("yardsticks/gemstones_models")
    points = [
        (float(row["params_non_embedding"]) / 1e9, tokens / 1e11, math.log(int(row["depth"]) / int(row["width"])), loss)
        for row in known
        for tokens, loss in gemstones_curve(row["model"])
    ]
    n_K, d_K, x_K, loss_K = np.array(points).T

    def left(unknowns: Floats) -> Floats:
        floor, a, alpha, b, beta, c, log_best = unknowns
        modelled_K = np.log(floor + a * n_K**-alpha + b * d_K**-beta) + c * (x_K - log_best) ** 2
        gap: Floats = modelled_K - np.log(loss_K)
        return gap

    floor, a, alpha, b, beta, _, _ = least_squares(left, [1.7, 0.8, 0.2, 0.1, 0.5, 0.004, -4.0], x_scale="jac").x
    return {
        "slope": found.size_slope[0],
        "bend": found.size_slope[1],
        "floor": float(floor),
        "of_params": [float(a), float(alpha)],
        "of_tokens": [float(b), float(beta)],
        "tokens_range": [1e10, 350e9],
    }
