"""The folder of a rendered leaderboard: what belongs to it, and whether it is whole.

Whatever has no place in a board stays here: partial results, failures, notes of whoever keeps the folder.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from shape_audit.errors import CorruptFileError, IncompleteError, UsageError
from shape_audit.places import Url
from shape_audit.records import Board, BoardRow, read_small_file
from shape_audit.storage import is_plain, is_record, working_copy

BOARD_FILE: Final = "board.json"
CARD_FILE: Final = "README.md"
TABLE_FILE: Final = "table.parquet"
PAGE_FILE: Final = "index.html"
CSV_FILE: Final = "table.csv"
REQUIRED = (BOARD_FILE, CARD_FILE, TABLE_FILE, CSV_FILE, PAGE_FILE)
FILES = (*REQUIRED, "leaderboard.toml", "sources.json")
LARGEST_FILE = 2**30
"""Bytes."""
RECORDS, FIGURES, FAILURES = "records", "figures", "failures"
"""Folders of a board; all are flat."""

_PARQUET_MARK = b"PAR1"


@dataclass(frozen=True)
class RenderedBoard:
    """A rendered leaderboard, read whole: what was checked is what is sent.

    Attributes:
        contents: path in the folder, with `/`, -> bytes.
        left_out: what else lies there and has no place in a board, with the reason where it is not plain.
    """

    board: Board
    contents: Mapping[str, bytes]
    left_out: tuple[str, ...]


def is_board_path(path: str) -> bool:
    """Whether a board may have a file of this path: only such files are ever sent or deleted."""
    folder, slash, name = path.rpartition("/")
    if not slash:
        return path in FILES
    return (folder == FIGURES and is_plain(name)) or (folder == RECORDS and is_record(name))


def is_kept_path(path: str) -> bool:
    """Whether the folder that a board is built in may have a file of this path, where that folder is elsewhere."""
    return is_board_path(path) or is_failure_path(path)


def is_failure_path(path: str) -> bool:
    """Whether it is the reason of a model that could not be audited."""
    folder, _, name = path.rpartition("/")
    return folder == FAILURES and is_record(name)


def read_board(folder: Path | Url | str) -> Board:
    """The board of a folder, or of a URL.

    Raises:
        IncompleteError: there is none, or it cannot be read.
        CorruptFileError: it is no board of this version.
    """
    with working_copy(folder, lambda path: path == BOARD_FILE) as copy:
        file = copy.folder / BOARD_FILE
        if not file.is_file():
            raise IncompleteError(f"{copy.folder}: no board there; see `shape-audit leaderboard build`")
        return _parsed_board(file, read_small_file(file, limit=LARGEST_FILE))


def refuse_strange_folder(folder: Path) -> None:
    """Of a folder that holds no board yet: nothing in it may have a name that a board would write over.

    Raises:
        UsageError: it has, and may be somebody's project.
    """
    if (folder / BOARD_FILE).is_file() or (folder / RECORDS).is_dir():
        return
    taken = [name for name in (*REQUIRED, FIGURES) if (folder / name).exists()]
    if taken:
        there = ", ".join(taken)
        raise UsageError(f"{folder}: no leaderboard, but has {there}, which would be written over; see --output")


def find_row(board: Board, model: str) -> BoardRow:
    """The row of a model, by its name in any case.

    Raises:
        UsageError: there is none, or several; the nearest names are suggested.
    """
    exact = [row for row in board.rows if row.model == model]
    found = exact or [row for row in board.rows if row.model.lower() == model.lower()]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{model}: the board has several rows of that name; revisions: {_revisions(found)}")
    near = difflib.get_close_matches(model, [row.model for row in board.rows], n=3, cutoff=0.5)
    advice = f"did you mean {' or '.join(near)}?" if near else f"it has {len(board.rows)} others"
    raise UsageError(f"{model}: not on this board; {advice}")


def read_rendered(folder: Path) -> RenderedBoard:
    """Read and check the folder of a rendered leaderboard.

    Links are left out, wherever they lead: what is sent is what lies in the folder.

    Raises:
        IncompleteError: there is no such folder, or it is no whole rendered board.
        CorruptFileError: one of its files is not what its name says.
    """
    if not folder.is_dir():
        raise IncompleteError(f"{folder}: no such folder; `shape-audit leaderboard build` and `render` make it")
    contents: dict[str, bytes] = {}
    left_out: list[str] = []
    for path in _paths(folder, left_out):
        contents[path] = read_small_file(folder / path, limit=LARGEST_FILE)
    missing = [name for name in REQUIRED if name not in contents]
    if missing:
        raise IncompleteError(
            f"{folder}: not a rendered leaderboard ({', '.join(missing)} missing); see `shape-audit leaderboard render`"
        )
    board = _parsed_board(folder / BOARD_FILE, contents[BOARD_FILE])
    _check_table(folder / TABLE_FILE, contents[TABLE_FILE])
    if not contents[PAGE_FILE].strip():
        raise CorruptFileError(f"{folder / PAGE_FILE}: empty")
    return RenderedBoard(board, contents, tuple(left_out))


def _paths(folder: Path, left_out: list[str]) -> Iterator[str]:
    """Paths of a board's files, in order; of all else, what is said about it is put into `left_out`."""
    for name in sorted(os.listdir(folder)):
        place = folder / name
        if place.is_symlink():
            if name in (RECORDS, FIGURES):
                raise IncompleteError(f"{place}: a link; a board's files must lie in its own folder")
            left_out.append(f"{name} (a link)")
        elif place.is_dir() and name in (RECORDS, FIGURES):
            for inner in sorted(os.listdir(place)):
                path = f"{name}/{inner}"
                if (place / inner).is_symlink():
                    left_out.append(f"{path} (a link)")
                elif is_board_path(path) and (place / inner).is_file():
                    yield path
                else:
                    left_out.append(path)
        elif is_board_path(name) and place.is_file():
            yield name
        else:
            left_out.append(name)


def _parsed_board(file: Path, content: bytes) -> Board:
    try:
        return Board.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CorruptFileError(f"{file}: not a board: {where + ': ' if where else ''}{first['msg']}") from error


def _check_table(file: Path, content: bytes) -> None:
    """By its marks alone: pyarrow is not needed to send a table."""
    if len(content) < 12 or not content.startswith(_PARQUET_MARK) or not content.endswith(_PARQUET_MARK):
        raise CorruptFileError(f"{file}: not a Parquet file, or cut short")


def _revisions(rows: list[BoardRow]) -> str:
    return ", ".join(row.revision or "none" for row in rows)
