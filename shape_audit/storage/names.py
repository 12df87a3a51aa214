"""Which names of files are taken from elsewhere, and sent there: plain ones, that mean the same to every system."""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+=@-]{0,250}", re.ASCII)
_TEMPORARY = (".tmp", ".temp", ".part", ".partial", ".incomplete", ".lock", ".swp", ".bak")


def is_plain(name: str) -> bool:
    """Whether one part of a path is a name that no system reads as anything but a finished file or folder."""
    return _NAME.fullmatch(name) is not None and not name.lower().endswith(_TEMPORARY)


def is_inside(path: str) -> bool:
    """Whether a path that a listing has leads to a file in the folder, and to none that this program hides in it."""
    return path.isprintable() and not any(part.startswith(".") or not part or "\\" in part for part in path.split("/"))


def is_record(path: str) -> bool:
    """Whether a file of a record folder may have this path."""
    return is_plain(path) and path.endswith(".json")
