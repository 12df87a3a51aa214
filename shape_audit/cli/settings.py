"""Defaults from [tool.shape-audit.<command>] in the nearest pyproject.toml, keys checked.

A command of a group has its table in the group's: [tool.shape-audit.sweep.run].
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shape_audit.errors import UsageError

TABLES = ("policy",)
"""Tables that stand among a command's options and are none: [tool.shape-audit.check.policy]."""


@dataclass(frozen=True)
class Settings:
    """The tables of [tool.shape-audit], as they stand.

    Attributes:
        tables: command -> its table; none where there is no pyproject.toml.
    """

    file: Path | None
    tables: dict[str, Any]

    def defaults(self, program: Any) -> dict[str, Any]:
        """Command -> parameter -> default; of a command that has commands, command -> command -> parameter -> default.

        Args:
            program: the command group, whose commands and parameters are the keys there may be.

        Raises:
            UsageError: a key that no command knows; the nearest one is suggested.
        """
        return _commands(self.tables, program, f"{self.file}: [tool.shape-audit")


def read_settings() -> Settings:
    """The settings in the pyproject.toml of this folder or the nearest above it.

    Raises:
        UsageError: the file is not TOML, or [tool.shape-audit] is not a table.
    """
    here = Path.cwd()
    file = next((folder / "pyproject.toml" for folder in (here, *here.parents)
                 if (folder / "pyproject.toml").is_file()), None)  # fmt: skip
    if file is None:
        return Settings(None, {})
    import tomllib

    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{file}: cannot be read: {error}") from error
    tool = content.get("tool", {})
    tables = tool.get("shape-audit", {}) if isinstance(tool, dict) else {}
    if not isinstance(tables, dict):
        raise UsageError(f"{file}: [tool.shape-audit] is not a table")
    return Settings(file, tables)


def _commands(tables: dict[str, Any], group: Any, where: str) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for name, table in tables.items():
        here = f"{where}.{name}]"
        command = group.commands[_known(name, group.commands, here)]
        if hasattr(command, "commands") and isinstance(table, dict):
            settings[name] = _commands(table, command, f"{where}.{name}")
        else:
            settings[name] = _options(table, command, here)
    return settings


def _options(table: Any, command: Any, where: str) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise UsageError(f"{where} is not a table")
    names = {parameter.name.replace("_", "-"): parameter.name for parameter in command.params}
    options = {}
    for key, value in table.items():
        if key in TABLES and isinstance(value, dict):
            continue  # read by whoever it is for
        name = names[_known(key.replace("_", "-"), names, where)]
        is_flag = next(bool(getattr(p, "is_flag", False)) for p in command.params if p.name == name)
        if is_flag != isinstance(value, bool):
            kind = "true or false" if is_flag else "a value, not true or false"
            raise UsageError(f"{where}: {key} takes {kind}")
        options[name] = str(value) if isinstance(value, float) else value
    return options


def _known(name: str, names: Any, where: str) -> str:
    """The name, if it is one of `names`."""
    if name not in names:
        near = difflib.get_close_matches(name, list(names), n=1)
        advice = f"did you mean {near[0]}?" if near else f"there are: {', '.join(sorted(names))}"
        raise UsageError(f"{where}: unknown key {name}; {advice}")
    return name
