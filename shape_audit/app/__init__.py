"""A page to try a model on: type a name, see its shape, what that costs, and what `check` finds (the extra `app`).

AppOptions                           -> where it is served, and what a visitor may ask of the machine
serve(options)                       -> serves it until it is interrupted

Of a visitor nothing is trusted, and nothing is kept: each question is answered by a process of its own
(`reading_process`), which has the visitor's token and an empty cache, and neither this machine's token nor its folders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shape_audit.app.options import AppOptions
from shape_audit.lazy import lazy_names

if TYPE_CHECKING:
    from shape_audit.app.serving import serve

__all__ = ["AppOptions", "serve"]

__getattr__ = lazy_names(__name__, {"serving": "serve"})
