"""Silence of the libraries that load models, for as long as it is wanted: what is changed in the process is put back.

Their advice and bars are for those who call them themselves; what matters here becomes an error, and whoever waits is
shown our own progress.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any


def quiet_downloads() -> AbstractContextManager[None]:
    """Without the progress bars of huggingface_hub."""
    from huggingface_hub import utils

    return _without_bars(utils)


def quiet_datasets() -> AbstractContextManager[None]:
    """Without the progress bars of datasets."""
    import datasets

    return _without_bars(datasets)


@contextmanager
def _without_bars(library: Any) -> Iterator[None]:
    if library.are_progress_bars_disabled():
        yield
        return
    library.disable_progress_bars()
    try:
        yield
    finally:
        library.enable_progress_bars()


@contextmanager
def quiet_transformers(level: int = logging.ERROR) -> Iterator[None]:
    """Without the bars of transformers, and with nothing less than `level` from it and from accelerate."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from transformers.utils import logging as transformers_logging

    had_no_downloads = are_progress_bars_disabled()  # transformers switches the Hub's bars with its own
    had_bars = transformers_logging.is_progress_bar_enabled()
    loggers = [logging.getLogger(name) for name in ("transformers", "accelerate")]
    levels = [logger.level for logger in loggers]
    transformers_logging.disable_progress_bar()
    for logger in loggers:
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if had_bars:
            transformers_logging.enable_progress_bar()
        (disable_progress_bars if had_no_downloads else enable_progress_bars)()
