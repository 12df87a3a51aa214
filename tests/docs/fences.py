"""The code blocks of README and docs/, with what their fences say.

```shell                                     runs: every line is a command of shape-audit
```python continuation                       runs after the block before it
```toml title="board.toml"                   is written to that file before the blocks after it run
```shell notest reason="needs a GPU"         does not run, and says why
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OUTPUT = re.compile(r"<!-- output: (.*) -->\n```text\n(.*?)```", re.DOTALL)
"""What a command prints, perhaps with lines left out; see `test_outputs`."""


@dataclass(frozen=True)
class Fence:
    """A code block.

    Attributes:
        options: of its fence, as given; those without a value have their name for one.
    """

    language: str
    options: dict[str, str]
    code: str
    line: int

    @property
    def runs(self) -> bool:
        return "notest" not in self.options

    @property
    def commands(self) -> Iterator[list[str]]:
        """The words of each command of a shell block, comments and line breaks removed."""
        for line in self.code.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                yield words


@cache
def fences(page: Path) -> tuple[Fence, ...]:
    """The code blocks of a page, in order."""
    found = []
    for token in MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8")):
        if token.type == "fence" and token.map:
            language, *options = shlex.split(token.info) or [""]
            given = {name: value or name for name, _, value in (option.partition("=") for option in options)}
            found.append(Fence(language, given, token.content, token.map[0] + 1))
    return tuple(found)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()
