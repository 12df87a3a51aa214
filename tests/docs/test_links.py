"""Links of README, docs/ and every other page of the repository: each leads to a file that is in it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt

from tests.docs.fences import ROOT, name_of


def links(text: str) -> Iterator[str]:
    """The addresses of a page's links and pictures."""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        for part in token.children or ():
            address = part.attrGet("href") or part.attrGet("src")
            if isinstance(address, str):
                yield address


def anchors(text: str) -> set[str]:
    """What GitHub calls the headings of a page."""
    tokens = MarkdownIt("commonmark").parse(text)
    titles = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def committed() -> set[Path]:
    """The files of the repository; those that only a build makes are none of them."""
    listed = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True)
    return {ROOT / name for name in listed.stdout.decode().split("\0")}


def dead(page: Path, files: set[Path]) -> list[str]:
    """The links of a page that lead to no file of the repository, or to no heading of one."""
    found = []
    for address in links(page.read_text(encoding="utf-8")):
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        is_there = target in files or any(target in file.parents for file in files)
        if is_there and parts.fragment and target.suffix == ".md":
            is_there = unquote(parts.fragment) in anchors(target.read_text(encoding="utf-8"))
        if not is_there:
            found.append(address)
    return found


def test_links_of_every_page_lead_to_files_of_the_repository() -> None:
    files = committed()
    pages = [file for file in files if file.suffix == ".md"]
    if not pages:
        pytest.skip("not a clone of the repository: nothing says which files it has")
    assert {name_of(page): found for page in pages if page.is_file() and (found := dead(page, files))} == {}


def test_a_dead_link_is_found_out(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A title, and more\n[a](gone.md) ![b](b.svg) [c](#a-title-and-more) [d](#gone) [e](https://x.y/z)\n"
    )
    assert dead(page, {page}) == ["gone.md", "b.svg", "#gone"]
