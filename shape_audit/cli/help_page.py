"""How help is laid out: a command's options in groups, each under its heading, and a group's commands."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from typer.core import TyperCommand, TyperGroup

WIDTH = 100
"""Columns of help in a terminal that has as many."""
ARGUMENTS = "Arguments"
OUTPUT = "Output"
ADVANCED = "Advanced"
UNGROUPED = "Options"


class GroupedCommand(TyperCommand):
    """A command whose help lists options by group, rare ones after the others."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.context_settings.setdefault("max_content_width", WIDTH)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options, group by group."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            entry = parameter.get_help_record(ctx)
            if entry is not None:
                groups.setdefault(heading_of(parameter), []).append(entry)
        for heading in by_rarity(groups):
            with formatter.section(heading):
                formatter.write_dl(groups[heading])


class CommandGroup(TyperGroup):
    """A group whose help says the first sentence of each of its commands whole, on as many lines as it takes."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands."""
        named = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(sys.maxsize)) for name, command in named if command])


def heading_of(parameter: Any) -> str:
    """The group of a parameter: the one its declaration names, else one for its kind."""
    if parameter.param_type_name == "argument":
        return ARGUMENTS
    return getattr(parameter, "rich_help_panel", None) or UNGROUPED


def by_rarity(headings: Iterable[str]) -> list[str]:
    """Headings in the order in which they came up, but arguments first and output and what is rarely needed last."""
    return sorted(headings, key=lambda heading: {ARGUMENTS: 0, OUTPUT: 2, ADVANCED: 3, UNGROUPED: 4}.get(heading, 1))
