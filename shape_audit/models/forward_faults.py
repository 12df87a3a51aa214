"""Telling a model's own failures from ours and from a caller's: only the first say something about the architecture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from shape_audit.errors import NotAuditableError, first_line

PACKAGE = Path(__file__).resolve().parents[1]
_OWN_FAILURES = (TypeError, AttributeError, LookupError, ValueError, AssertionError, RuntimeError)


@contextmanager
def model_faults(model: nn.Module) -> Iterator[None]:
    """While open, what the model's forward or backward raises means that it cannot be measured.

    An exception that comes from a file of this package (a hook, say) is our own fault and stays what it is.

    Raises:
        NotAuditableError: the model failed.
    """
    try:
        yield
    except _OWN_FAILURES as error:
        is_memory = isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)
        if is_memory or _comes_from_us(error):
            raise
        raise NotAuditableError(
            f"{type(model).__name__}: unsupported architecture: its forward fails: {first_line(error)}"
        ) from error


def _comes_from_us(error: BaseException) -> bool:
    """Whether the innermost frame is in this package."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and PACKAGE in Path(trace.tb_frame.f_code.co_filename).resolve().parents
