"""What a user waits for before the first line: commands that read a shape, against importing torch, and against the
same commands of another checkout.

Whole processes of one interpreter, back to back in alternating order; the ratio of each pair is taken, its median is
the result. Seconds are the processor's (user and system) beside the clock's.

    .venv/bin/python benchmarks/cold_start.py [--save] [--pairs N] [--against /path/of/another/checkout]
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.processes import Took, pairs_wanted, ratios, run
from benchmarks.reporting import ROOT, commit_of, heading, publish
from shape_audit.hub.builtin_models import builtin_folder

TARGET = 0.12
MODEL = str(builtin_folder("bytes-1m"))
COMMANDS = {
    "audit FOLDER --shape-only": ("audit", MODEL, "--shape-only"),
    "check FOLDER": ("check", MODEL),
    "--help": ("--help",),
}
TORCH, LIBRARIES = "import torch", "from pydantic import BaseModel; import typer, rich.console"
"""What all is measured by, and the least that a command on these libraries could take."""
IS_OF = "import shape_audit, sys; sys.exit(not shape_audit.__file__.startswith(sys.argv[1] + '/'))"


def main() -> None:
    trees = [ROOT]
    if "--against" in sys.argv:
        trees.append(Path(sys.argv[sys.argv.index("--against") + 1]).resolve())
    pairs = pairs_wanted(15)
    with TemporaryDirectory(prefix="cold-start-") as folder:
        for tree in trees:
            _run_of(tree, folder, "-c", IS_OF, str(tree))  # the interpreter has a shape_audit installed as well
        took: dict[tuple[Path | None, str], list[Took]] = {}
        for pair in range(pairs + 1):
            keys = [*((tree, name) for name in COMMANDS for tree in trees), (None, LIBRARIES), (None, TORCH)]
            for tree_of, name in keys[:: 1 if pair % 2 else -1]:
                arguments = ("-m", "shape_audit", *COMMANDS[name]) if tree_of else ("-c", name)
                seconds = _run_of(tree_of or ROOT, folder, *arguments)
                if pair:  # the first one warms the disk
                    took.setdefault((tree_of, name), []).append(seconds)
    torch, libraries = took[None, TORCH], took[None, LIBRARIES]
    text = heading("Cold start: commands that read a shape / `python -c 'import torch'`")
    text += f"\nMedian and quartiles of {pairs} pairs. Target for --shape-only: {TARGET} of import torch.\n\n"
    text += "| | processor seconds | ratio to import torch, processor | by the clock |\n| --- | ---: | ---: | ---: |\n"
    text += f"| import torch | {median(each.processor for each in torch):.2f} | | |\n"
    for name in COMMANDS:
        ours = took[ROOT, name]
        text += f"| {name} | {median(each.processor for each in ours):.2f} | {ratios(ours, torch)} |\n"
    text += f"| {LIBRARIES} | {median(each.processor for each in libraries):.2f} | {ratios(libraries, torch)} |\n"
    for tree in trees[1:]:
        text += f"\nAgainst commit {commit_of(tree)}, with the same interpreter:\n\n"
        text += "| | its processor seconds | ratio, processor | by the clock |\n| --- | ---: | ---: | ---: |\n"
        for name in COMMANDS:
            theirs = took[tree, name]
            cells = ratios(took[ROOT, name], theirs)
            text += f"| {name} | {median(each.processor for each in theirs):.2f} | {cells} |\n"
    publish(__file__, text.rstrip())


def _run_of(tree: Path, records: str, *arguments: str) -> Took:
    """A process that finds the tree's own package first."""
    return run(*arguments, cwd=tree, environment={"PYTHONPATH": str(tree), "HF_ASSETS_CACHE": records})


if __name__ == "__main__":
    main()
