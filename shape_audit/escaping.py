"""Text from outside, made harmless for where it goes: one function a sink, and the only place that escapes.

Names of models, folders, tensors, records and scores come from anywhere. What each of these gives cannot be obeyed by
its reader: a terminal (control characters, colours, text that runs backwards), the runner of a GitHub workflow, which
obeys lines of a job's log, Markdown, HTML, XML, JSON on a screen, a spreadsheet.
"""

from __future__ import annotations

import html as standard_html
import json
import re
from collections.abc import Mapping
from typing import Any

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#~&])")
_MARKDOWN_LIST = re.compile(r"^(\d{0,9})([.)+-])(?=\s|-|$)")
"""What begins a list or a rule where it stands first in a line: `6) `, `- `, `---`."""
_MARKDOWN_HEADING = re.compile(r"^=")
"""A line of these makes a heading of the one before it."""
_COMMAND = re.compile(r"^((?:\x1b\[[\d;]*m|\s)*):(?=:)", re.MULTILINE)
_OLD_COMMAND = "##["
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def visible(text: str, mark: str = "\N{REPLACEMENT CHARACTER}") -> str:
    """Text without what a terminal obeys or an eye cannot see: each such character becomes `mark`.

    Those are control characters (and with them every escape sequence), line ends, characters that turn the direction of
    what follows, invisible ones, half surrogates.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else mark for c in text)


def on_a_line(text: str, limit: int | None = None) -> str:
    """The same on one line, each white space a blank; with an end, where a limit in characters is given."""
    line = " ".join(visible(text, " ").split())
    return line if limit is None or len(line) <= limit else line[: limit - 4] + " ..."


def log_text(text: str) -> str:
    """Lines for stdout or stderr of which a GitHub runner obeys none: `::error` at a line's start, `##[` anywhere.

    Documented: docs.github.com, Workflow commands for GitHub Actions; `##[` is the older form, still obeyed.
    """
    return _COMMAND.sub(r"\1: ", text).replace(_OLD_COMMAND, "# #[")


def terminal_text(text: str) -> str:
    """Lines of a message: visible, and obeyed by no runner."""
    return log_text("\n".join(visible(line) for line in text.split("\n")))


def markdown(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, on one line."""
    line = _MARKDOWN.sub(r"\\\1", on_a_line(text))
    line = _MARKDOWN_HEADING.sub(r"\\=", _MARKDOWN_LIST.sub(r"\1\\\2", line))
    return log_text(line)


def html(text: str) -> str:
    """Text for an HTML element or a quoted attribute."""
    return standard_html.escape(visible(text))


def xml(text: str) -> str:
    """Text for XML 1.0, which cannot hold every character, on one line."""
    return log_text(on_a_line(text))


def annotation(text: str) -> str:
    """The message of a workflow command."""
    line = visible(text.replace("\r", "\n").replace("\n", " "))
    return line.replace("%", "%25").replace(_OLD_COMMAND, "# #[")


def annotation_property(text: str) -> str:
    """A property of a workflow command: file, title."""
    return annotation(text).replace(":", "%3A").replace(",", "%2C")


def json_text(content: Any) -> str:
    """Indented JSON with a final line end, of which no screen or runner obeys anything; it reads as what was given.

    Args:
        content: what json can write; a text is taken for JSON that was written already.
    """
    text = content if isinstance(content, str) else json.dumps(content, indent=2)
    text = text.replace(_OLD_COMMAND, "##\\u005b").rstrip("\n")
    if not text.replace("\n", "").isprintable():
        text = "".join(c if c == "\n" or c.isprintable() else _unit_escapes(c) for c in text)
    return text + "\n"


def _unit_escapes(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def csv_cell(text: str) -> str:
    """A text that no spreadsheet computes: one that begins as a formula does gets a quote before it."""
    return f"'{visible(text, ' ')}" if text.startswith(_FORMULA) else visible(text, " ")


def all_visible(value: Any) -> Any:
    """`visible` of every text in lists and mappings, for what is handed to a page."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {visible(str(key)): all_visible(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [all_visible(inner) for inner in value]
    return value
