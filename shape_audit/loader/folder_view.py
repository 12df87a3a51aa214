"""A view of a model's folder: links to the files that are meant, and nothing else for a library to find and follow.

transformers looks for more than it is asked for: adapter_config.json (with which peft puts other weights on top, or
another model in its place), sharded checkpoints of torch, side files that the config names, code.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from shape_audit.hub import CONFIG_FILE, without_requested_code
from shape_audit.records import read_small_file

WEIGHTS = ("*.safetensors", "*.safetensors.index*.json", "generation_config.json")
"""Files of a folder that a model is loaded from, besides its config."""
DISTRIBUTED = "shard-*"
"""transformers takes files of such names for a distributed checkpoint, and then ignores all others."""


def files_of_weights(folder: Path) -> list[Path]:
    """The files of a folder that a model may be loaded from."""
    return [file for pattern in WEIGHTS for file in folder.glob(pattern) if not file.match(DISTRIBUTED)]


def view_of(folder: Path, files: Iterable[Path]) -> TemporaryDirectory[str]:
    """A folder with links to these files, and the config without what would be fetched and run.

    Raises:
        OSError, ValueError: the config cannot be read.
    """
    view = TemporaryDirectory(prefix="shape-audit-view-")
    try:
        config = folder / CONFIG_FILE
        if config.is_file():
            content = without_requested_code(json.loads(read_small_file(config)))
            (Path(view.name) / CONFIG_FILE).write_text(json.dumps(content), encoding="utf-8")
        for file in files:
            (Path(view.name) / file.name).symlink_to(file.absolute())
    except BaseException:
        view.cleanup()
        raise
    return view


@contextmanager
def speaking_of(folder: Path, view: TemporaryDirectory[str]) -> Iterator[Path]:
    """The view's path; what is raised meanwhile names the folder instead."""
    try:
        yield Path(view.name)
    except Exception as error:
        error.args = tuple(arg.replace(view.name, str(folder)) if isinstance(arg, str) else arg for arg in error.args)
        raise
