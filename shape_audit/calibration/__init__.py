"""A text -> the same windows for every model.

read_text(dataset, column)                     -> CalibrationText
load_tokenizer(folder)                         -> WindowTokenizer
WindowCutter(text, tokenizer, ...)             .first(n) -> WindowSet
save_windows(file, windows), replay_windows(file, tokenizer)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shape_audit.calibration.options import DEFAULT_MAX_WINDOWS, DEFAULT_SEQ_LEN, WindowOptions
from shape_audit.lazy import lazy_names

if TYPE_CHECKING:
    from shape_audit.calibration.text import CalibrationText
    from shape_audit.calibration.text_identity import dataset_revision, names_text
    from shape_audit.calibration.text_sources import read_text
    from shape_audit.calibration.tokenizer import WindowTokenizer, load_tokenizer, tokenizer_in_memory
    from shape_audit.calibration.window_cutting import WindowCutter, slot_count
    from shape_audit.calibration.window_set import Window, WindowSet
    from shape_audit.calibration.windows_file import replay_windows, save_windows

__all__ = [
    "DEFAULT_MAX_WINDOWS",
    "DEFAULT_SEQ_LEN",
    "CalibrationText",
    "Window",
    "WindowCutter",
    "WindowOptions",
    "WindowSet",
    "WindowTokenizer",
    "dataset_revision",
    "load_tokenizer",
    "names_text",
    "read_text",
    "replay_windows",
    "save_windows",
    "slot_count",
    "tokenizer_in_memory",
]

__getattr__ = lazy_names(
    __name__,
    {
        "text": "CalibrationText",
        "text_identity": "dataset_revision names_text",
        "text_sources": "read_text",
        "tokenizer": "WindowTokenizer load_tokenizer tokenizer_in_memory",
        "window_cutting": "WindowCutter slot_count",
        "window_set": "Window WindowSet",
        "windows_file": "replay_windows save_windows",
    },
)
