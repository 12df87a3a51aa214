"""The Python of README and docs/, run by pytest-markdown-docs, block by block as it cuts them."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from tests.docs.fences import PAGES, fences, name_of

pytest.importorskip(
    "pytest_markdown_docs", reason="pytest-markdown-docs (extra docs) is not installed: no Python blocks"
)
from pytest_markdown_docs._runners import get_runner
from pytest_markdown_docs.plugin import extract_fence_tests


def blocks(page: Path) -> list[Any]:
    return list(extract_fence_tests(MarkdownIt("commonmark"), page.read_text(encoding="utf-8"), 0, page))


WRITTEN = [page for page in PAGES if any(fence.language == "python" and fence.runs for fence in fences(page))]


@pytest.mark.parametrize("page", WRITTEN, ids=name_of)
def test_python_of_a_page_runs(page: Path, reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(reader)
    (reader / "corpus").mkdir()
    found = blocks(page)
    followed = [block for block, after in zip(found, [*found[1:], None], strict=True) if _goes_on(block, after)]
    for block in found:
        if block not in followed:  # the one after it holds its code too
            get_runner(None).runtest(block, types.ModuleType("fence").__dict__)


def _goes_on(block: Any, after: Any) -> bool:
    return after is not None and after.source.startswith(block.source)
