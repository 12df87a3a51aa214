"""Where records and results go unless told otherwise: the Hub's assets cache, found as huggingface_hub finds it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal


def assets_folder(kind: Literal["records", "scores"]) -> Path:
    """The folder of this program for one kind of file; it may not exist yet.

    Worked out here, because huggingface_hub is not loaded for a local folder.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
    home = os.environ.get("HF_HOME") or os.path.join(cache, "huggingface")
    assets = os.environ.get("HF_ASSETS_CACHE") or os.path.join(home, "assets")
    return Path(os.path.expanduser(os.path.expandvars(assets))) / "shape-audit" / kind
