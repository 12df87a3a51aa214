"""What mkdocs calls: pages that the program itself writes, and the repository's own Markdown, become part of the site.

In mkdocs.yml's nav, `folder/*` stands for all pages of a folder that are made here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from scripts.docs_pages import command_line, exit_codes, leaderboard_columns, notebooks, records, rules

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"
OUT_OF_DOCS = re.compile(r"\]\(\.\./((?:\.\./)*benchmarks/)")
"""A link to a benchmark from a page of docs/; on the site benchmarks/ lies one folder higher."""

MADE = {
    "command-line": "commands/index.md",
    "rules": "rules/index.md",
    "records": "records/index.md",
    "exit-codes": "exit-codes.md",
    "columns-of-a-leaderboard": "leaderboard-columns.md",
}
"""Parts of docs/reference/index.md, which a reader of the repository has in their place -> the pages of the site."""

TO_PART = re.compile(r"\]\(((?:\.\./)*(?:reference/)?)index\.md#([\w-]+)\)")
REFERENCE = "reference/index.md"

FOR_TESTS = re.compile(r"^(```\w+) (?:notest|continuation)\b.*$", re.MULTILINE)
"""What a fence says to the tests; the site's Markdown would not know it for a fence."""


def pages() -> dict[str, str]:
    """Path below docs/ -> Markdown, of every page that no file of docs/ holds."""
    results = sorted((BENCHMARKS / "results").glob("*.md"), reverse=True)
    own = {f"benchmarks/results/{path.name}": path.read_text(encoding="utf-8") for path in results}
    own["benchmarks/index.md"] = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    made = (command_line, rules, records, exit_codes, leaderboard_columns, notebooks)
    return own | {path: page for module in made for path, page in module.pages().items()}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Have the nav name the pages that are made."""
    made = pages()
    config.nav = _expanded(config.nav, made)
    config.extra["made"] = made
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages, and the pictures of benchmarks."""
    for path, content in config.extra["made"].items():
        files.append(File.generated(config, path, content=content))
    for picture in sorted((BENCHMARKS / "results").rglob("*.png")):
        where = picture.relative_to(ROOT).as_posix()
        files.append(File.generated(config, where, abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """What holds in the repository made to hold on the site: links to benchmarks, and to parts of the reference that
    stand for pages made here. Fences without words for tests."""
    if page.file.src_uri == REFERENCE:
        markdown = re.sub(r"^## (.+)$", _linked_heading, markdown, flags=re.MULTILINE)
    linked = TO_PART.sub(lambda link: f"]({link[1]}{MADE[link[2]]})" if link[2] in MADE else link[0], markdown)
    return FOR_TESTS.sub(r"\1", OUT_OF_DOCS.sub(r"](\1", linked))


def _linked_heading(heading: re.Match[str]) -> str:
    """A part of the reference, with a link to its pages under it."""
    made = MADE.get(heading[1].lower().replace(" ", "-"))
    return f"{heading[0]}\n\n→ [{heading[1]}]({made})" if made else heading[0]


def _expanded(nav: Any, made: dict[str, str]) -> Any:
    if isinstance(nav, list):
        return [_expanded(entry, made) for entry in nav]
    if isinstance(nav, dict):
        return {title: _expanded(entry, made) for title, entry in nav.items()}
    if not nav.endswith("/*"):
        return nav
    return [{_title(content): path} for path, content in made.items() if path.startswith(nav[:-1])]


def _title(markdown: str) -> str:
    return markdown.partition("\n")[0].lstrip("# ").replace("`", "").removeprefix("shape-audit ")
