"""Files of a Hub commit, downloaded into the Hub's cache: each by its name, nothing asked for twice.

`snapshot_download` would list the repository again, by requests that have no time limit and are not repeated after a
fault; the names are known here already.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event

from shape_audit.errors import IncompleteError
from shape_audit.hub.parallel_requests import side_by_side
from shape_audit.hub.quiet import quiet_downloads
from shape_audit.hub.retrying import with_retries
from shape_audit.hub.traffic import watched

PARALLEL_DOWNLOADS = 4
MOST_FILES = 1000
"""Of one model: the largest there are have some 200 shards."""
OPEN_FILES = Path("/proc/self/fd")


def download_files(
    repo_id: str, sha: str, names: Iterable[str], *, retries: int, sizes: Mapping[str, int | None]
) -> Path:
    """Download files at one commit and return the folder that holds them under their names.

    A file that the cache holds already costs no request. Whatever ends this, no half-written file stays behind.

    Args:
        names: paths inside the repository; at least one.
        sizes: bytes of each, as the repository's own list has them; no more are taken.

    Raises:
        IncompleteError, CorruptFileError: absurdly many files, or answers that `traffic` refuses.
        huggingface_hub errors, httpx2 errors: see `errors.FOREIGN`.
    """
    from huggingface_hub import hf_hub_download

    def download(name: str, stop: Event) -> Path:
        def once() -> str:
            with watched(f"{repo_id}: {name}", size=sizes.get(name), commit=sha, stop=stop):
                return str(hf_hub_download(repo_id, name, revision=sha))

        return Path(with_retries(once, retries, is_download=True)).parents[name.count("/")]

    names = list(names)
    if len(names) > MOST_FILES:
        raise IncompleteError(f"{repo_id}: {len(names):,} files to download; {MOST_FILES:,} is the most")
    try:
        with quiet_downloads():
            return side_by_side(download, names, PARALLEL_DOWNLOADS)[-1]
    except BaseException:
        _remove_unfinished()
        raise


def _remove_unfinished() -> None:
    """Remove what threads of this process still write that nobody waits for any more: they may hang for a while."""
    with suppress(OSError):  # not a system that lists open files
        for handle in OPEN_FILES.iterdir():
            with suppress(OSError):
                path = os.readlink(handle)
                if path.endswith(".incomplete") and f"{os.sep}blobs{os.sep}" in path:
                    os.unlink(path)
