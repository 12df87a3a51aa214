"""Reading 2,000 mixed result files, and linking 300 models with 10,000 draws: seconds, and what is imported.

Half of the files are real ones of lm-eval 0.4.13 where ../shared/materials is at hand (a group of 14 subjects, 60 KB
each), else ones as the tests write them; the other half are lighteval's, cut off, of another task, or no JSON at all.
Each of those that cannot be used must be named with its reason.

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
from tests.scores.result_files import lighteval
from tests.scores.test_lm_eval_files import letters

FILES, MODELS, DRAWS, REPEATS = 2000, 300, 10_000, 5
KINDS = 8
"""Of every 8 files 4 are whole runs, 1 is lighteval's, and 3 cannot be used."""
READ = """
import sys, time
from pathlib import Path
from shape_audit.scores import read_scores
started = time.perf_counter()
found = read_scores([Path(sys.argv[1])])
seconds = time.perf_counter() - started
named = len({one.file for one in found.skipped if one.reason})
print(len(found.scores), named, seconds, int("lm_eval" in sys.modules), int("torch" in sys.modules))
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
            whole = json.dumps(sources[number % len(sources)] | {"model_name": f"org/model-{number}"}, indent=2)
            content = {
                4: json.dumps(lighteval(f"org/model-{number}")),
                5: whole[: len(whole) // 2],
                6: '{"results": {"arc_easy": {"acc,none": 0.5}}}',
                7: "\0garbage",
            }.get(number % KINDS, whole)
            size += len(content)
            (Path(folder) / f"results_{number}.json").write_text(content)
        reads, links, torches = [], [], []
        for _ in range(REPEATS):
            count, named, seconds, lm_eval, torch = timed(READ, folder)
            assert int(count) >= FILES * 5 // KINDS and lm_eval == torch == "0"
            assert int(named) == FILES * 3 // KINDS, f"{named} of the files that cannot be used are named"
            reads.append(float(seconds))
            links.append(float(timed(LINK, str(MODELS), str(DRAWS))[1]))
            torches.append(float(timed(TORCH)[1]))
    files = (
        f"{FILES:,} mixed result files ({kind}, {size / 1e6:.0f} MB), {FILES * 3 // KINDS} named as not usable, "
        "neither lm_eval nor torch imported"
    )
    evidence = f"evidence on {MODELS} simulated models, {DRAWS:,} draws and permutations"
    text = heading("Reading result files, and linking") + f"""
Medians of {REPEATS}, with lowest and highest; `import torch` beside them in the same run: {shown(torches)} s.
Target: the files in under 3 times `import torch`.

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
