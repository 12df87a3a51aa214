"""Rerun claims of the paper and write one dated page.

scripts/paper                        # all claims, two hours on two idle cores; what is finished is kept
scripts/paper mlp_scan tiny_gpts     # some of them
scripts/paper --minutes 20           # at most so long for each claim, and say what was reached
scripts/paper --quick                # all at toy sizes, under a minute: whether every step works, and no more
"""

from __future__ import annotations

import argparse
import time
from importlib import import_module

from benchmarks.paper.claim import Claim, Outcome, section
from benchmarks.paper.run import OutOfTime, Run
from benchmarks.reporting import ROOT, heading, result_path

EXPERIMENTS = ("gaussian_min_norm", "best_shapes", "sweep_interaction", "open_models", "tiny_gpts",
               "input_simplex_scan", "mlp_scan", "teacher_student", "cnn_scan", "double_descent")  # fmt: skip
"""One script a claim, each with `CLAIM` and `measure(run)`; what takes longest comes last."""
KEPT = ROOT / "build" / "paper"


def page(names: list[str], *, is_quick: bool, minutes: float | None = None) -> str:
    """All of it, Markdown."""
    found: list[tuple[Claim, Outcome, float]] = []
    commits: set[str] = set()
    for name in names:
        script = import_module(f"benchmarks.paper.{name}")
        started = time.monotonic()
        deadline = None if minutes is None else started + 60 * minutes
        run = Run(is_quick, None if is_quick else KEPT / name, deadline)
        try:
            outcome = script.measure(run)
        except OutOfTime:
            outcome = Outcome("Time was up before it could be measured.", "cannot be told")
        found.append((script.CLAIM, outcome, (run.seconds + time.monotonic() - started) / 60))
        commits |= run.commits
    verdicts = "\n".join(f"| {claim.name} | {outcome.verdict} |" for claim, outcome, _ in found)
    parts = [
        heading(
            "The paper's claims, rerun" + (" at toy sizes: nothing follows from these numbers" if is_quick else "")
        ),
        "AOFE and ratios are U-statistics with 95 % intervals, published ones plug-in; a random basis is what the "
        "effective rank alone makes of the ratio. Each script states the rule of its verdict."
        + (f" Networks that were kept were trained at {', '.join(sorted(commits))}." if commits else ""),
        f"| claim | verdict |\n| --- | --- |\n{verdicts}",
        *(section(*one) for one in found),
    ]
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/paper", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("claims", nargs="*", metavar="CLAIM", help=f"one of {', '.join(EXPERIMENTS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="toy sizes; writes no page")
    parser.add_argument(
        "--minutes", type=float, metavar="N", help="begin no further training of a claim after N minutes"
    )
    given = parser.parse_args()
    unknown = set(given.claims) - set(EXPERIMENTS)
    if unknown:
        parser.error(f"no claim {', '.join(sorted(unknown))}; there are {', '.join(EXPERIMENTS)}")
    text = page(given.claims or list(EXPERIMENTS), is_quick=given.quick, minutes=given.minutes)
    print(text)
    if not given.quick:
        result_path("paper.py").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
