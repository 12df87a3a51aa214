"""Working in an empty folder: what lies beside the user is neither data nor code of a library that looks there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from shape_audit.errors import UsageError


@contextmanager
def in_empty_folder(links: Mapping[str, Path] | None = None) -> Iterator[None]:
    """While open, the process works in an empty folder; paths that are used meanwhile must be absolute.

    `datasets` takes a folder TIGER-Lab/MMLU-Pro of the working directory for the dataset of that name, whatever
    revision is asked for; `evaluate` runs exact_match/exact_match.py; lm-eval has git look at the repository, whose
    settings may name commands. None of them can be told not to.

    Args:
        links: name -> folder that is to be found under that name.

    Raises:
        UsageError: the Hub's cache has a relative path, and so would be another one in there.
    """
    from huggingface_hub.constants import HF_HOME, HF_HUB_CACHE

    for path in (HF_HOME, HF_HUB_CACHE, os.environ.get("HF_DATASETS_CACHE")):
        if path and not os.path.isabs(path):
            raise UsageError(f"{path}: HF_HOME, HF_HUB_CACHE and HF_DATASETS_CACHE must be absolute paths for this")
    with TemporaryDirectory(prefix="shape-audit-") as folder:
        for name, target in (links or {}).items():
            link = Path(folder, name)
            link.parent.mkdir(parents=True)
            link.symlink_to(target.absolute(), target_is_directory=True)
        with chdir(folder):
            yield
