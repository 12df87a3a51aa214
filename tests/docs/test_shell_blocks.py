"""The commands that README and docs/ tell a reader to type, typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Program
from tests.docs.fences import PAGES, fences, name_of

TYPED = [page for page in PAGES if any(fence.language == "shell" and fence.runs for fence in fences(page))]


@pytest.mark.parametrize("page", TYPED, ids=name_of)
def test_commands_of_a_page_succeed(
    page: Path, program: Program, reader: Path, reader_settings: dict[str, str]
) -> None:
    for fence in fences(page):
        if fence.language == "toml" and "title" in fence.options:
            (reader / fence.options["title"]).write_text(fence.code)
        if fence.language != "shell" or not fence.runs:
            continue
        for command, *arguments in fence.commands:
            where = f"{name_of(page)}:{fence.line}: {command} {' '.join(arguments)}"
            assert command == "shape-audit", f"{where}: only commands of shape-audit can run here (see fences.py)"
            done = program(*arguments, **reader_settings)
            assert done.returncode == 0, f"{where}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_block_that_does_not_run_says_why(page: Path) -> None:
    assert not [fence for fence in fences(page) if not fence.runs and not fence.options.get("reason")]
