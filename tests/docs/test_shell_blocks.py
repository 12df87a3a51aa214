"""The commands that README and docs/ tell a reader to type, typed; and what pages say that they print.

A page may leave lines of an output out. Each line shown is one that the command prints, in this order, but for its
numbers: they come from more windows and draws than a test has time for. To run the commands as they stand and write the
numbers anew: `SHAPE_AUDIT_WRITE_DOCS=1 scripts/test tests/docs/test_shell_blocks.py`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from shape_audit.cli import main
from shape_audit.cli.app import COMMANDS, program_of
from tests.conftest import Program
from tests.docs.conftest import FEWER, HUB_MODELS
from tests.docs.fences import OUTPUT, PAGES, Fence, fences, name_of
from tests.loopback_hub import LoopbackHub

WRITES = bool(os.environ.get("SHAPE_AUDIT_WRITE_DOCS"))
Typed = Callable[[list[str]], tuple[int, str, str]]


@pytest.fixture
def typed(
    program: Program, hub: LoopbackHub, models_of_hub: None, reader: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Typed:  # fmt: skip
    """Runs a command's words in the reader's folder: exit code, stdout, stderr.

    In this process, which has imported torch already; what asks the Hub in one that reads its address as it starts.
    """
    settings = {"COLUMNS": "100", "SHAPE_AUDIT_AUDIT_RECORDS": str(reader / "records")} | ({} if WRITES else FEWER)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(reader)

    def run(words: list[str]) -> tuple[int, str, str]:
        if set(HUB_MODELS) & {word.partition("@")[0] for word in words}:
            done = program(*words, HF_ENDPOINT=hub.endpoint, **settings)
            return done.returncode, done.stdout, done.stderr
        code = main(words)
        return code, *capsys.readouterr()

    return run


def shell_blocks(page: Path) -> list[Fence]:
    return [fence for fence in fences(page) if fence.language == "shell" and fence.runs]


LONGEST = "docs/tutorials/sweep.md"
"""It trains; what `sweep run` does stands in tests/sweep."""


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.long] * (name_of(page) == LONGEST), id=name_of(page))
        for page in PAGES
        if shell_blocks(page)
    ],
)
def test_commands_of_a_page_do_what_it_says(page: Path, typed: Typed, reader: Path) -> None:
    printed: dict[str, str] = {}
    for fence in fences(page):
        if fence.language == "toml" and "title" in fence.options:
            (reader / fence.options["title"]).write_text(fence.code, encoding="utf-8")
        for words in fence.commands if fence in shell_blocks(page) else ():
            command = " ".join(words)
            assert words[0] == "shape-audit", f"{page}:{fence.line}: only shape-audit runs here, not {command}"
            code, printed[command], said = typed(words[1:])
            assert code == 0, f"{page}:{fence.line}: {command}\n{said}"
    for command, shown in OUTPUT.findall(page.read_text(encoding="utf-8")):
        lines = list(same_lines(shown, printed[command]))
        if WRITES:
            text = page.read_text(encoding="utf-8")
            page.write_text(text.replace(shown, "".join(f"{line}\n" for line in lines)), encoding="utf-8")


def same_lines(shown: str, printed: str) -> Iterator[str]:
    """Of what was printed, the lines that are shown."""
    rest = iter(printed.splitlines())
    for line in shown.splitlines():
        same = next((one for one in rest if words_of(one) == words_of(line)), None)
        assert same is not None, f"not printed, or not at this place: {line}"
        yield same


def words_of(line: str) -> str:
    """A line without its numbers, and without the spaces that line them up."""
    return re.sub(r"\s+", " ", re.sub(r"[\d.,]+", "#", line)).strip()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_block_that_does_not_run_says_why(page: Path) -> None:
    assert not [fence for fence in fences(page) if not fence.runs and not fence.options.get("reason")]


def test_a_line_that_is_not_printed_is_found_out() -> None:
    assert list(same_lines("cost 0.1 %\n", "a\ncost 0.23 %\nb\n")) == ["cost 0.23 %"]
    with pytest.raises(AssertionError, match="not printed"):
        list(same_lines("price 0.1 %\n", "cost 0.23 %\n"))


def spoken_of(page: Path) -> Iterator[list[str]]:
    """The words of commands that the running text of a page names: `shape-audit check --deep`, `interval morph`."""
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8")):
        for part in token.children or ():
            words = part.content.removeprefix("shape-audit ").split() if part.type == "code_inline" else []
            if len(words) > 1 and words[0] in COMMANDS:
                yield words


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_in_running_text_are_ones_that_there_are(page: Path) -> None:
    for words in spoken_of(page):
        command, rest = program_of(COMMANDS).commands[words[0]], words[1:]
        while hasattr(command, "commands"):
            assert rest and rest[0] in command.commands, f"{page}: {' '.join(words)}"
            command, rest = command.commands[rest[0]], rest[1:]
        flags = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
        unknown = {word for word in rest if word.startswith("-")} - flags - {"--help", "..."}
        assert not unknown, f"{page}: {' '.join(words)}: {unknown}"
        takes = sum(parameter.param_type_name == "argument" for parameter in command.params)
        is_open = any(parameter.nargs < 0 for parameter in command.params)
        given = [word for before, word in pairwise(["", *rest]) if not {before[:1], word[:1]} & {"-"}]
        assert is_open or len(given) <= takes, f"{page}: {' '.join(words)}: takes {takes} words, not {given}"
