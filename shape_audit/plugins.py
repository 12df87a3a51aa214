"""Doors for other packages: what they add by an entry point, in their pyproject.toml; open to all rooms.

    [project.entry-points."shape_audit.rules"]
    ACME = "acme_audit:RULES"                  # the prefix of their ids = Rules, see `checks.Rule`
    [project.entry-points."shape_audit.protocols"]
    acme-gradient = "acme_audit:AcmeGradient"  # its name = its class, see `interaction.MeasurementProtocol`
    [project.entry-points."shape_audit.score_sources"]
    acme = "acme_audit:scores"                 # a name = a function, see `scores.ScoreSource`

Installed packages are looked through only where one of these is needed. A package that cannot be used ends the command
with one line that names it: to go on without it would leave out what somebody relies on.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from shape_audit.errors import IncompleteError, explained

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

RULES: Final = "shape_audit.rules"
PROTOCOLS: Final = "shape_audit.protocols"
SCORE_SOURCES: Final = "shape_audit.score_sources"


@dataclass(frozen=True)
class Plugin:
    """An entry point of another package.

    Attributes:
        package: its name and version.
    """

    entry: EntryPoint
    package: str

    @property
    def name(self) -> str:
        return self.entry.name

    def broken(self, problem: str) -> IncompleteError:
        """The error that says what is wrong with it."""
        return IncompleteError(
            f"the installed package {self.package} (entry point {self.name} of {self.entry.group}) {problem}; "
            "update or uninstall it"
        )

    @contextmanager
    def blamed(self, what: str) -> Iterator[None]:
        """Have an exception from within raised as an error that names the package, but for those that have a fitting
        line already: out of memory, no network."""
        try:
            yield
        except Exception as error:
            is_of_a_file = isinstance(error, OSError) and type(error).__module__ == "builtins"
            if explained(error, "") is not None and (not is_of_a_file or isinstance(error, ConnectionError)):
                raise
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200].rstrip(": ")
            raise self.broken(f"{what} ({reason})") from error

    def load(self) -> Any:
        """What the entry point names.

        Raises:
            IncompleteError: it cannot be imported.
        """
        try:
            return self.entry.load()
        except (Exception, SystemExit) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200].rstrip(": ")
            raise self.broken(f"cannot be loaded ({reason})") from error


@cache
def _installed(*path: str) -> Any:
    """The entry points (Python 3.11 has another class for all of them) of the packages in these folders, of which there
    may be hundreds: looked for once."""
    from importlib.metadata import entry_points

    return entry_points()


def plugins(group: str, *, taken: Collection[str] = ()) -> list[Plugin]:
    """What other packages add to a group, by name.

    Args:
        taken: names that are our own.

    Raises:
        IncompleteError: a package uses one of those, or two packages use the same.
    """
    found: dict[str, Plugin] = {}
    for entry in sorted(_installed(*sys.path).select(group=group), key=lambda entry: (entry.name, entry.value)):
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.module
        plugin = Plugin(entry, package)
        if plugin.name in taken:
            raise plugin.broken("uses a name of shape-audit's own")
        if plugin.name in found:
            raise plugin.broken(f"uses a name of {found[plugin.name].package} too")
        found[plugin.name] = plugin
    return list(found.values())
