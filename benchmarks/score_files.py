"""Reading 1,000 result files of lm-eval, and linking 300 models with 10,000 draws: seconds, and what is imported.

The files are real ones of lm-eval 0.4.13 where ../shared/materials is at hand (a group of 14 subjects, 60 KB each),
else ones as the tests write them.

.venv/bin/python benchmarks/score_files.py [--save]
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.reporting import heading, publish
from tests.conftest import MATERIALS
from tests.scores.test_lm_eval_files import letters

FILES, MODELS, DRAWS, REPEATS = 1000, 300, 10_000, 5
READ = """
import sys, time
from pathlib import Path
from shape_audit.scores import read_lm_eval
started = time.perf_counter()
found = read_lm_eval(Path(sys.argv[1]))
print(len(found), time.perf_counter() - started, int("lm_eval" in sys.modules), int("torch" in sys.modules))
"""
LINK = """
import sys, time
from shape_audit.linking import link_evidence
from shape_audit.scores import LM_EVAL_LETTERS
from shape_audit.interval import shipped_interval
from tests.linking.simulated import simulated
points = simulated(0, effect=0.02, families=int(sys.argv[1]) // 3)
started = time.perf_counter()
link_evidence(points, protocol=LM_EVAL_LETTERS, interval=shipped_interval(), draws=int(sys.argv[2]))
print(len(points), time.perf_counter() - started)
"""
TORCH = "import time; started = time.perf_counter(); import torch; print(0, time.perf_counter() - started)"


def timed(code: str, *arguments: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.split()


def main() -> None:
    sources = [json.loads(path.read_text()) for path in sorted(MATERIALS.glob("lm-eval-results/*/results_*.json"))]
    kind = "real" if sources else "written as the tests do"
    sources = sources or [letters()]
    with TemporaryDirectory() as folder:
        size = 0
        for number in range(FILES):
            content = json.dumps(sources[number % len(sources)] | {"model_name": f"org/model-{number}"}, indent=2)
            size += len(content)
            (Path(folder) / f"results_{number}.json").write_text(content)
        reads, links, torches = [], [], []
        for _ in range(REPEATS):
            count, seconds, lm_eval, torch = timed(READ, folder)
            assert int(count) >= FILES and lm_eval == torch == "0"
            reads.append(float(seconds))
            links.append(float(timed(LINK, str(MODELS), str(DRAWS))[1]))
            torches.append(float(timed(TORCH)[1]))
    files = f"{FILES:,} result files ({kind}, {size / 1e6:.0f} MB), neither lm_eval nor torch imported"
    evidence = f"evidence on {MODELS} simulated models, {DRAWS:,} draws and permutations"
    text = heading("Reading result files, and linking") + f"""
Medians of {REPEATS}, with lowest and highest; `import torch` beside them in the same run: {shown(torches)} s.
Target: 2 s for the files.

| what | seconds | of import torch |
| --- | --- | --- |
| {files} | {shown(reads)} | {ratio(reads, torches)} |
| {evidence} | {shown(links)} | {ratio(links, torches)} |
"""  # fmt: skip
    publish(__file__, text)


def shown(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f})"


def ratio(seconds: list[float], other: list[float]) -> str:
    return f"{statistics.median(a / b for a, b in zip(seconds, other, strict=True)):.2f}"


if __name__ == "__main__":
    main()
