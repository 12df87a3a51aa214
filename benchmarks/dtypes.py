"""What bfloat16 does to the numbers: the same windows in float32 and in bfloat16, beside what 64 windows leave open.

.venv/bin/python benchmarks/dtypes.py [--save]
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import shape_audit
from benchmarks.reporting import heading, publish

MODELS = ("builtin:bytes-1m", "builtin:books-300k")


def main() -> None:
    lines = []
    for model in MODELS:
        runs = [shape_audit.audit(model, dtype=dtype).interaction for dtype in ("float32", "bfloat16")]
        for full, half in zip(*(run.sites for run in runs if run), strict=True):
            low, high = full.aofe_ratio_ci or (0, 0)
            lines.append(
                f"| {model} | {full.name} | {full.aofe_ratio:.4f} | {half.aofe_ratio:.4f} "
                f"| {half.aofe_ratio - full.aofe_ratio:+.4f} | {(high - low) / 2:.4f} "
                f"| {100 * (half.aofe / full.aofe - 1):+.1f} % | {100 * (half.trace / full.trace - 1):+.1f} % |"
            )
    text = heading("float32 against bfloat16")
    text += """
64 windows of 256 tokens, protocol loss-gradient, sums in float32 both times.

| model | site | AOFE-ratio float32 | bfloat16 | difference | half of the 95 % interval | AOFE | tr G |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |
"""
    publish(__file__, text + "\n".join(lines))


if __name__ == "__main__":
    main()
