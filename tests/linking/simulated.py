"""Leaderboards whose truth is known."""

import math

import numpy as np

from shape_audit.linking import Point


def simulated(seed: int, *, effect: float, by_size: float = 0.08, families: int = 40, of_each: int = 3) -> list[Point]:
    """A leaderboard: scores of size, of the distance to the interval times `effect`, of family and of chance."""
    generator = np.random.default_rng(seed)
    points = []
    for family in range(families):
        bias = generator.normal(scale=0.02)
        for _ in range(of_each):
            log_params = generator.uniform(8.5, 10)
            distance = max(0.0, generator.normal(0.4, 0.5)) + 0.4 * (log_params - 9.25)  # the larger, the wider
            distance = max(0.0, distance)
            score = 0.25 + by_size * (log_params - 9.25) - effect * distance + bias + generator.normal(scale=0.02)
            ratio = 0.0204 / math.exp(distance) if distance else 0.03
            points.append(
                Point(
                    model=f"m{len(points)}", family=f"f{family}", shape=f"s{len(points)}", score=float(score),
                    r_dw=ratio, log_params=float(log_params), log_tokens=None, is_inside=distance == 0,
                    predictors={"r_dw": ratio, "log_distance": distance},
                )
            )  # fmt: skip
    return points
