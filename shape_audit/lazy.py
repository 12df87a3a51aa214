"""Front doors that hand out heavy names without importing what they bring along before anyone asks; open to all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's `__getattr__` that imports each name from its own file when it is first used.

    Args:
        package: `__name__` of the front door.
        homes: module inside the package, with dots for sub-packages -> the public names that it has.
    """
    home_of = {name: home for home, names in homes.items() for name in names.split()}

    # a module under its own name would take the place of what it hands out as soon as it is imported
    assert not set(home_of) & {home.partition(".")[0] for home in homes}, homes

    def load(name: str) -> Any:
        if name in home_of:
            return getattr(import_module(f"{package}.{home_of[name]}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return load
