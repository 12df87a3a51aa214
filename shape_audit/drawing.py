"""Figures as files: PNG and SVG, one style, the same bytes for the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from shape_audit.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "svg")


def write_drawings(drawings: Mapping[str, Callable[[], Figure]], folder: Path) -> list[Path]:
    """Draw each and write it under its name into a folder (made where absent); returns the paths.

    Raises:
        OSError: the folder cannot be written to.
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
    except ImportError as error:
        raise MissingExtraError("figures need matplotlib: pip install 'shape-audit[board]'") from error
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "shape-audit", "font.size": 10}):
        for name, draw in drawings.items():
            figure = draw()
            for form in FORMATS:
                written.append(folder / f"{name}.{form}")
                figure.savefig(written[-1], dpi=150, metadata={"Date": None} if form == "svg" else None)
    return written
