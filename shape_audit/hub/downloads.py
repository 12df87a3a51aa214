"""Files of a Hub commit, downloaded into the Hub's cache: each by its name, nothing asked for twice.

`snapshot_download` would list the repository again, by requests that have no time limit and are not repeated after a
fault; the names are known here already.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from shape_audit.hub.quiet import quiet_downloads
from shape_audit.hub.retrying import with_retries

PARALLEL_DOWNLOADS = 4


def download_files(repo_id: str, sha: str, names: Iterable[str], *, retries: int) -> Path:
    """Download files at one commit and return the folder that holds them under their names.

    A file that the cache holds already costs no request.

    Args:
        names: paths inside the repository; at least one.

    Raises:
        huggingface_hub errors, httpx2 errors: see `errors.FOREIGN`.
    """
    from huggingface_hub import hf_hub_download

    def download(name: str) -> Path:
        path = with_retries(lambda: hf_hub_download(repo_id, name, revision=sha), retries, is_download=True)
        return Path(path).parents[name.count("/")]

    with quiet_downloads(), ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
        return list(pool.map(download, names))[-1]
