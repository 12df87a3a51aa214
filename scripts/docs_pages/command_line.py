"""Reference of the command line, from the program itself: a page a command, its options by group."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer

from scripts.docs_pages.markdown import cell, table
from shape_audit.cli.app import COMMANDS, PROGRAM, program_of
from shape_audit.cli.help_page import by_rarity, heading_of

FOLDER = "reference/commands"
PREFIX = "SHAPE_AUDIT"


def pages() -> dict[str, str]:
    """Path -> Markdown: the program's own page, then one a command."""
    program = program_of(COMMANDS)
    commands = list(_commands(program, PROGRAM))
    first = [f"# {PROGRAM}", _prose(program), *_options(program, PREFIX), "## Commands"]
    rows = [(f"[`{name}`]({_file(name)})", _prose(command).partition("\n")[0]) for name, command in commands]
    first.append(table(("command", "what it does"), rows))
    made = {f"{FOLDER}/index.md": "\n\n".join(first) + "\n"}
    return made | {f"{FOLDER}/{_file(name)}": _page(name, command) for name, command in commands}


def _commands(group: Any, name: str) -> Iterator[tuple[str, Any]]:
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{name} {word}")
        else:
            yield f"{name} {word}", command


def _file(name: str) -> str:
    return "-".join(name.split()[1:]) + ".md"


def _page(name: str, command: Any) -> str:
    arguments = [_words(one, command) for one in command.params if one.param_type_name == "argument"]
    usage = " ".join([name, *command.collect_usage_pieces(typer.Context(command))])
    parts = [f"# `{name}`", _prose(command), f"```text\n{usage}\n```"]
    if arguments:
        rows = [(f"`{words}`", cell(text)) for words, text in arguments]
        parts += ["## Arguments", table(("argument", "meaning"), rows)]
    prefix = "_".join([PREFIX, *name.split()[1:]]).upper().replace("-", "_")
    return "\n\n".join([*parts, *_options(command, prefix)]) + "\n"


def _options(command: Any, prefix: str) -> Iterator[str]:
    """Each group of options under its heading, with the environment variable of each."""
    groups: dict[str, list[tuple[str, str, str]]] = {}
    for one in command.params:
        if one.param_type_name == "option":
            words, text = _words(one, command)
            row = (f"`{words}`", cell(text), f"`{f'{prefix}_{one.name.upper()}'}`")
            groups.setdefault(heading_of(one), []).append(row)
    for heading in by_rarity(groups):
        yield f"## {heading}"
        yield table(("option", "meaning", "environment variable"), groups[heading])


def _words(parameter: Any, command: Any) -> tuple[str, str]:
    """How a parameter is written, and what help says of it."""
    flags, text = parameter.get_help_record(typer.Context(command))
    return flags, text


def _prose(command: Any) -> str:
    return inspect.cleandoc(command.help or "")
