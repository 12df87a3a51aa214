"""Settings from a TOML file: of the one that is named, all; of a pyproject.toml that is found, what is stricter.

A file that `--config` or SHAPE_AUDIT_CONFIG names may say all that a command line can: [tool.shape-audit.<command>] in
a pyproject.toml, [<command>] in any other. A command of a group has its table in the group's:
[tool.shape-audit.sweep.run].

A pyproject.toml in the working directory or the nearest folder above is read unasked, and whoever wrote it is not
known: the author of a pull request, of an archive, whoever may write to /tmp. So it can make `check` fail what would
have passed (`Option.stricter`, and `checks.only_stricter` of its policy) and nothing else: it names no file to read or
write, accepts and hides no finding, and changes no number. To trust it where it lies in the user's own repository was
the alternative; but a checkout in CI is exactly that, and holds what is to be judged.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shape_audit.errors import UsageError, did_you_mean
from shape_audit.records import parse_toml, read_small_file

TABLES = ("policy",)
"""Tables that stand among a command's options and are none: [tool.shape-audit.check.policy]."""
PYPROJECT = "pyproject.toml"
SETTINGS = "shape_audit.settings"
"""Where the context of a command holds the `Settings`."""


@dataclass(frozen=True)
class Settings:
    """The tables of a settings file, as they stand.

    Attributes:
        tables: command -> its table; none where there is no file.
        is_named: whether the user named the file, and so all of it holds.
    """

    file: Path | None
    tables: dict[str, Any]
    is_named: bool = False

    @property
    def shown(self) -> str:
        """The file, as messages and reports call it: from the working directory where it lies in or above it."""
        return "" if self.file is None else os.path.relpath(self.file) if not self.is_named else str(self.file)

    def defaults(self, name: str, command: Any, commands: Collection[str]) -> tuple[dict[str, Any], list[str]]:
        """The defaults of a command, and the settings that do not hold since nobody named the file.

        The first is parameter -> default; of a command that has commands, command -> parameter -> default.

        Args:
            command: whose parameters are the keys there may be.
            commands: the names of all, which are the tables there may be.

        Raises:
            UsageError: a key that the program or the command does not know; the nearest one is suggested.
        """
        where = f"{self.file}: [{self._prefix}"
        for table in self.tables:
            _known(table, commands, f"{where}{table}]")
        if name not in self.tables:
            return {}, []
        left: list[str] = []
        return self._of(self.tables[name], command, f"{where}{name}", left), left

    @property
    def _prefix(self) -> str:
        return "tool.shape-audit." if self.file and self.file.name == PYPROJECT else ""

    def _of(self, table: Any, command: Any, where: str, left: list[str]) -> dict[str, Any]:
        if not isinstance(table, dict):
            raise UsageError(f"{where}] is not a table")
        if not hasattr(command, "commands"):
            options = _options(table, command, f"{where}]")
            return options if self.is_named else _stricter(options, command, left)
        found = {}
        for name, inner in table.items():
            _known(name, command.commands, f"{where}.{name}]")
            found[name] = self._of(inner, command.commands[name], f"{where}.{name}", left)
        return found


def read_settings(named: Path | None) -> Settings:
    """The settings of a file, else those in the pyproject.toml of this folder or the nearest above it.

    Raises:
        UsageError: the file is not TOML, or [tool.shape-audit] is not a table.
        IncompleteError: it cannot be read.
    """
    file = named or _nearest()
    if file is None:
        return Settings(None, {})
    try:
        content = parse_toml(read_small_file(file).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file}: cannot be read: {error}") from error
    if file.name != PYPROJECT:
        return Settings(file, content, named is not None)
    tool = content.get("tool", {})
    tables = tool.get("shape-audit", {}) if isinstance(tool, dict) else {}
    if not isinstance(tables, dict):
        raise UsageError(f"{file}: [tool.shape-audit] is not a table")
    return Settings(file, tables, named is not None)


def _nearest() -> Path | None:
    """The pyproject.toml of this folder or the nearest above it; None too where nobody can look: the folder is gone, or
    one above it is closed to this user."""
    try:
        here = Path.cwd()
        return next((file for folder in (here, *here.parents) if (file := folder / PYPROJECT).is_file()), None)
    except OSError:
        return None


def not_in_effect(settings: Settings, left: list[str]) -> str:
    """The line that tells a user of settings that do not hold."""
    return f"shape-audit: {settings.shown}: found, not named by --config, so not in effect: {', '.join(left)}"


def _options(table: dict[str, Any], command: Any, where: str) -> dict[str, Any]:
    names = {flag.lstrip("-"): p.name for p in command.params for flag in (p.name.replace("_", "-"), *p.opts)}
    options = {}
    for key, value in table.items():
        if key in TABLES and isinstance(value, dict):
            continue  # read by whoever it is for
        name = names[_known(key.replace("_", "-"), names, where)]
        parameter = next(p for p in command.params if p.name == name)
        is_flag = bool(getattr(parameter, "is_flag", False))
        if is_flag != isinstance(value, bool):
            kind = "true or false" if is_flag else "a value, not true or false"
            raise UsageError(f"{where}: {key} takes {kind}")
        options[name] = value if is_flag else _as_typed(value, parameter, f"{where}: {key}")
    return options


def _as_typed(value: Any, parameter: Any, where: str) -> Any:
    """A value as click would have it from a command line: several are one word with commas there, or words of their own
    where an option may be repeated."""
    members = value if isinstance(value, list) else [value]
    if any(isinstance(member, bool) or not isinstance(member, str | int | float) for member in members):
        raise UsageError(f"{where} takes a text or a number, or a list of them, not {value!r}")
    words = [str(member) if isinstance(member, float) else member for member in members]
    if getattr(parameter, "multiple", False) or parameter.nargs != 1:
        return words
    return ",".join(map(str, words)) if isinstance(value, list) else words[0]


def _stricter(options: dict[str, Any], command: Any, left: list[str]) -> dict[str, Any]:
    """The options that only make a gate stricter; the names of the others are added to `left`."""
    stricter = getattr(command.callback, "stricter", {})
    holds = {name: value for name, value in options.items() if value in stricter.get(name, ())}
    left += [name.replace("_", "-") for name in options if name not in holds]
    return holds


def _known(name: str, names: Any, where: str) -> str:
    """The name, if it is one of `names`."""
    if name not in names:
        advice = did_you_mean(name, names) or f"; there are: {', '.join(sorted(names))}"
        raise UsageError(f"{where}: unknown key {name}{advice}")
    return name
