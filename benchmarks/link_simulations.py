"""How often `link` is right on simulated leaderboards: power on a planted effect, and false alarms where there is none.

Each leaderboard has 120 models of 40 families; scores depend on size, family and chance, and on the distance to the
interval by a planted amount. Distance itself grows with size, as among real models. `confounded` has a strong effect of
size and none of shape.

.venv/bin/python benchmarks/link_simulations.py [--simulations 500] [--draws 200] [--save]
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.reporting import heading, publish
from shape_audit.interval import shipped_interval
from shape_audit.linking import link_evidence
from shape_audit.linking.words import SUPPORTED, given_size
from shape_audit.scores import LM_EVAL_LETTERS
from tests.linking.simulated import simulated

CASES = {
    "no effect of shape": {"effect": 0.0},
    "confounded: size alone, strong": {"effect": 0.0, "by_size": 0.2},
    "planted: 2 points for each e-fold of distance": {"effect": 0.02},
    "planted: 6 points": {"effect": 0.06},
}
LEVEL = 0.05


def outcome(seed: int, *, case: str, draws: int) -> tuple[bool, bool]:
    """(verdict is supported, permutation p below 5 %) of one leaderboard."""
    found = link_evidence(
        simulated(seed, **CASES[case]), protocol=LM_EVAL_LETTERS, interval=shipped_interval(), draws=draws, seed=seed
    )
    distance = given_size(found.predictors, "log_distance")
    return found.verdict == SUPPORTED, distance is not None and distance.p_permutation < LEVEL


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--simulations", type=int, default=500)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--save", action="store_true")
    given = parser.parse_args()
    rows = []
    with ProcessPoolExecutor(2) as pool:
        for case in CASES:
            run = partial(outcome, case=case, draws=given.draws)
            found = list(pool.map(run, range(given.simulations), chunksize=10))
            supported, significant = (100 * sum(one[i] for one in found) / len(found) for i in (0, 1))
            rows.append(f"| {case} | {supported:.1f} % | {significant:.1f} % |")
            print(rows[-1], file=sys.stderr, flush=True)
    text = heading("`link` on simulated leaderboards")
    text += f"\n{given.simulations} leaderboards a row, {given.draws} resamples each. Without an effect of shape, "
    text += "`supported` should be rare and p below 5 % in about 5 %.\n\n"
    text += "| | verdict supported | permutation p of the distance given size < 5 % |\n| --- | ---: | ---: |\n"
    publish(__file__, text + "\n".join(rows))


if __name__ == "__main__":
    main()
