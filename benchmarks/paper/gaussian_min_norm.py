"""Minimum-norm regression on Gaussian data: risk and ||G||_F are one number but for the alignment."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from benchmarks.paper.claim import SHAPE_SCALING, Claim, Outcome
from benchmarks.paper.run import Run
from shape_audit.interaction.estimators.statistics import plugin_energies
from shape_audit.interaction.estimators.sums import SiteSums

DIMENSION, RCOND, EXACT = 128, 1e-12, 1e-10
CLAIM = Claim(
    name="gaussian_min_norm",
    sentence="For y = X beta* + noise, |beta*| = 1 along the first axis, the minimum-norm solution's clean risk is "
    "F + 1 - 2 beta_1 with F = ||G||_F the norm of its AGOP; both peak where examples are as many as dimensions.",
    published="the identity, checked in every fit of 10 sample sizes, 3 noise levels and 128 repetitions at p = 128",
    source=f"{SHAPE_SCALING}, experiments/gaussian_min_norm.py",
)


def fits(repetitions: int, sizes: tuple[int, ...], noises: tuple[float, ...]) -> dict[str, Any]:
    """Of every fit: F by the package's sums, risk, and what is left of the identity relative to F."""
    largest = 0.0
    found: dict[str, dict[str, list[tuple[float, float]]]] = {
        f"{noise:g}": {str(n): [] for n in sizes} for noise in noises
    }
    for repetition in range(repetitions):
        generator = np.random.default_rng(3001 + repetition)
        x_NP = generator.normal(size=(max(sizes), DIMENSION))
        noise_N = generator.normal(size=max(sizes))
        for n in sizes:
            u, s, vt = np.linalg.svd(x_NP[:n], full_matrices=False)
            inverse = np.where(s > s[0] * RCOND, 1 / s, 0)
            signal_P, unit_P = (vt.T @ (inverse * (u.T @ y_N[:n])) for y_N in (x_NP[:, 0], noise_N))
            for sigma in noises:
                beta_P = signal_P + sigma * unit_P
                risk = float(((beta_P - np.eye(DIMENSION)[0]) ** 2).sum())
                norm = agop_norm(beta_P)
                largest = max(largest, abs(risk - (norm + 1 - 2 * beta_P[0])) / max(1.0, norm))
                found[f"{sigma:g}"][str(n)].append((risk, norm))
    medians = {
        sigma: {n: np.median(values, axis=0).tolist() for n, values in of_size.items()}
        for sigma, of_size in found.items()
    }
    return {"largest": largest, "medians": medians}


def agop_norm(beta_P: np.ndarray) -> float:
    """||G||_F of a linear predictor, whose gradient is beta at every input."""
    sums = SiteSums.zeros(len(beta_P), dtype=torch.float64, device=torch.device("cpu"))
    sums.add(torch.from_numpy(beta_P).view(1, 1, -1), 0)
    return math.sqrt(plugin_energies(sums).total)


def measure(run: Run) -> Outcome:
    """The claim holds where every fit has the identity to 1e-10 of F, and the noisiest fits peak at p examples."""
    sizes = (64, 128, 256) if run.is_quick else (32, 64, 96, 115, 128, 141, 160, 192, 256, 512)
    noises, repetitions = (0.0, 0.1, 0.3), 3 if run.is_quick else 128
    settings = {"sizes": sizes, "noises": noises, "repetitions": repetitions}
    result = run.piece("fits", settings, lambda: fits(repetitions, sizes, noises))
    noisiest = result["medians"][f"{noises[-1]:g}"]
    peaks = {max(noisiest, key=lambda n: noisiest[n][which]) for which in (0, 1)}
    table = [["examples", *[f"{name}, noise {sigma:g}" for sigma in noises for name in ("risk", "F")]]]
    for n in map(str, sizes):
        table.append([n, *[f"{value:.4g}" for of_size in result["medians"].values() for value in of_size[n]]])
    fitted = len(sizes) * len(noises) * repetitions
    found = (
        f"In {fitted:,} fits |risk - (F + 1 - 2 beta_1)| is at most {result['largest']:.1e} of F (or of 1). With noise "
        f"{noises[-1]:g} the medians of risk and F peak at {' and '.join(sorted(peaks))} examples, p = {DIMENSION}."
    )
    is_so = result["largest"] <= EXACT and peaks == {str(DIMENSION)}
    note = "an identity of |a - b|^2 = |a|^2 + |b|^2 - 2 a b for |b| = 1: it holds for any beta, fitted or not"
    return Outcome(found, "holds" if is_so else "does not hold", table, [note])
