"""What every benchmark says about itself: machine, commit, date; and where its result is kept."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def heading(title: str) -> str:
    """A Markdown heading with the facts a reader needs to compare results."""
    dirty = _git("status", "--porcelain", "--", "shape_audit", "benchmarks/*.py")
    commit = commit_of(ROOT) + (" with local changes" if dirty else "")
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "transformers"))
    return (
        f"# {title}\n\n{date.today().isoformat()}, commit {commit}; {_processor()}, {os.cpu_count()} cores, "
        f"{platform.system()}, Python {platform.python_version()}, {versions}\n"
    )


def result_path(script: str) -> Path:
    """Where a result is kept, under its date."""
    return ROOT / "benchmarks" / "results" / f"{date.today().isoformat()}_{Path(script).stem}.md"


def publish(script: str, text: str) -> None:
    """Print a result; with `--save` on the command line, keep it in results/ under its date too."""
    print(text)
    if "--save" in sys.argv:
        path = result_path(script)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + "\n")


def commit_of(tree: Path) -> str:
    """The short name of a checkout's commit."""
    return _git("rev-parse", "--short", "HEAD", cwd=tree)


def _git(*arguments: str, cwd: Path = ROOT) -> str:
    return subprocess.run(["git", *arguments], cwd=cwd, capture_output=True, text=True).stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
