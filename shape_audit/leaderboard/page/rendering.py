"""A board -> the files that people and programs read. The same board, the same files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from shape_audit.errors import IncompleteError
from shape_audit.leaderboard.build.assembling import points_of
from shape_audit.leaderboard.build.board_folder import BOARD_FILE, FIGURES, is_board_path
from shape_audit.leaderboard.no_garbage import no_garbage
from shape_audit.leaderboard.page.dataset_card import dataset_card
from shape_audit.leaderboard.page.html import page_html
from shape_audit.leaderboard.page.tables import csv_text, parquet_bytes
from shape_audit.places import Place, Url
from shape_audit.records import Board, write_bytes_atomically
from shape_audit.storage import working_copy

FILES: dict[str, Callable[[Board], bytes]] = {
    "table.parquet": parquet_bytes,
    "table.csv": lambda board: csv_text(board).encode(),
    "README.md": lambda board: dataset_card(board).encode(),
    "index.html": lambda board: page_html(board).encode(),
}
"""File -> its content, of the board alone."""


def keep_board(board: Board, folder: Path) -> None:
    """Write the board into its folder.

    Raises:
        IncompleteError: it cannot be written.
    """
    _write(folder / BOARD_FILE, (board.model_dump_json(indent=1) + "\n").encode())


def render(board: Board, folder: Path | Url | str) -> list[Place]:
    """Write table, card, page and figures into the folder, or to the URL; each file whole or not at all.

    Returns:
        What was written.

    Raises:
        IncompleteError: a file cannot be written.
        MissingExtraError: the extra `board` is not installed.
    """
    with working_copy(folder, is_board_path, reads=False, writes=True) as copy:
        written = _written(board, copy.folder)
        return [copy.place / path.relative_to(copy.folder).as_posix() for path in written]


def _written(board: Board, folder: Path) -> list[Path]:
    written = []
    with no_garbage():
        for name, content in FILES.items():
            _write(folder / name, content(board))
            written.append(folder / name)
    if board.evidence:
        from shape_audit.linking import write_figures  # brings numpy

        points, _ = points_of(board.rows, board.interval, board.protocols[0])
        try:
            written += write_figures(board.evidence[0], points, folder / FIGURES)
        except OSError as error:
            raise IncompleteError(f"{folder / FIGURES}: could not be written ({error.strerror or error})") from error
    else:
        for figure in stray_figures(board, folder):
            figure.unlink()
    return written


def stray_figures(board: Board, folder: Path) -> list[Path]:
    """Figures of an earlier board, whose evidence this one does not have."""
    figures = [] if board.evidence else sorted((folder / FIGURES).glob("*"))
    return [path for path in figures if path.suffix in (".png", ".svg")]


def _write(path: Path, content: bytes) -> None:
    try:
        write_bytes_atomically(path, content)
    except OSError as error:
        raise IncompleteError(f"{path}: could not be written ({error.strerror or error})") from error
