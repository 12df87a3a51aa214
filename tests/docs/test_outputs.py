"""What pages say that a command prints.

A page may leave lines out. Each line shown is one that the command prints, in this order, but for its numbers: they
come from more windows and draws than a test has time for. To run the commands as they stand and write the numbers anew:
`SHAPE_AUDIT_WRITE_DOCS=1 scripts/test tests/docs/test_outputs.py`.
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import Program
from tests.docs.fences import OUTPUT, PAGES, name_of

WRITES = bool(os.environ.get("SHAPE_AUDIT_WRITE_DOCS"))
SHOWN = [(page, *found.groups()) for page in PAGES for found in OUTPUT.finditer(page.read_text(encoding="utf-8"))]


def words_of(line: str) -> str:
    """A line without its numbers, and without the spaces that line them up."""
    return re.sub(r"\s+", " ", re.sub(r"[\d.,]+", "#", line)).strip()


@pytest.mark.parametrize(
    ("page", "command", "shown"), SHOWN, ids=[f"{name_of(page)}: {line}" for page, line, _ in SHOWN]
)
def test_output_is_what_the_command_prints(
    page: Path, command: str, shown: str, program: Program, reader: Path, reader_settings: dict[str, str]
) -> None:
    done = program(*shlex.split(command)[1:], COLUMNS="100", **({} if WRITES else reader_settings))
    assert done.returncode == 0, done.stderr
    printed = iter(done.stdout.splitlines())
    found = []
    for line in shown.splitlines():
        same = next((one for one in printed if words_of(one) == words_of(line)), None)
        assert same is not None, f"{command} does not print, at this place: {line}"
        found.append(same)
    if WRITES:
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace(shown, "\n".join(found) + "\n"), encoding="utf-8")


def test_pages_show_outputs() -> None:
    assert {command.split()[1] for _, command, _ in SHOWN} >= {"audit", "link", "suggest"}
