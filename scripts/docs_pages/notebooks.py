"""Notebooks of docs/ as pages: their prose and their code."""

from __future__ import annotations

import json
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def pages() -> dict[str, str]:
    """Path -> Markdown of every notebook, beside the notebook itself."""
    return {path.relative_to(DOCS).with_suffix(".md").as_posix(): _page(path) for path in sorted(DOCS.rglob("*.ipynb"))}


def _page(path: Path) -> str:
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
    return "\n\n".join([*parts, f"[The notebook itself]({path.name})"]) + "\n"
