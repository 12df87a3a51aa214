"""Writing the config.json of a suggested shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shape_audit.errors import IncompleteError, UsageError
from shape_audit.hub import CONFIG_FILE
from shape_audit.records import write_text_atomically


def write_config(config: Mapping[str, Any], folder: Path) -> Path:
    """Write config.json into a folder (made where absent), atomically, and return the file's path.

    Raises:
        UsageError: there is a config.json already; it stays as it is.
        IncompleteError: the folder cannot be made or written to.
    """
    path = folder / CONFIG_FILE
    try:
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path}: exists already and is not overwritten; name another folder")
        write_text_atomically(path, json.dumps(config, indent=2) + "\n")
    except OSError as error:
        raise IncompleteError(f"{path}: could not be written ({error.strerror or error})") from error
    return path
