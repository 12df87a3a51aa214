"""A Hub repository at one commit: config and headers by a handful of small requests.

huggingface_hub does the transport, the cache, the token and offline mode. Online: one request resolves the revision
to a commit sha and lists the files; config.json and the index are downloaded into the Hub's cache; headers come by
range requests and are kept in `HeaderCache`, so that a second audit of the same commit makes one request, or none
offline.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.constants import HF_HUB_DOWNLOAD_TIMEOUT, is_offline_mode
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

from shape_audit.errors import CorruptFileError, IncompleteError
from shape_audit.hub.checkpoint import merged_tensors
from shape_audit.hub.header_cache import HeaderCache
from shape_audit.hub.names import ModelName
from shape_audit.hub.retrying import with_retries
from shape_audit.hub.safetensors_header import (
    LENGTH_PREFIX,
    TensorHeader,
    header_length,
    parse_header,
    read_header,
)
from shape_audit.hub.weight_files import (
    CONFIG_FILE,
    INDEX_FILE,
    SINGLE_FILE,
    parse_json_object,
    refuse_what_is_no_model,
    weight_files,
)

FIRST_REQUEST_BYTES = 100_000
"""Enough for the headers of most files: one request instead of two."""
PARALLEL_REQUESTS = 8
DEFAULT_REVISION = "main"

_COMMIT = re.compile(r"[0-9a-f]{40}")


def read_hub_repository(model: ModelName, retries: int) -> dict[str, Any]:
    """Revision, config, tensors, weight files and notes of a Hub model: the fields of `Checkpoint`.

    Raises:
        IncompleteError, NotAuditableError: as `read_checkpoint` says.
        huggingface_hub errors, httpx2 errors: see `errors.FOREIGN`.
    """
    cache = HeaderCache(model.repo_id)
    if is_offline_mode():
        sha, sizes = _cached_sha(model, cache), None
    else:
        info = with_retries(
            lambda: HfApi().model_info(model.repo_id, revision=model.revision, files_metadata=True), retries
        )
        if info.sha is None:
            raise IncompleteError(f"{model.repo_id}: the Hub did not say which commit this is; try again")
        sha = info.sha
        sizes = {sibling.rfilename: sibling.size for sibling in info.siblings or []}
        cache.remember_sha(model.revision or DEFAULT_REVISION, sha)

    def read(name: str) -> bytes:
        path = with_retries(lambda: hf_hub_download(model.repo_id, name, revision=sha), retries, is_download=True)
        return Path(path).read_bytes()

    if sizes is not None:
        refuse_what_is_no_model(sizes, model.repo_id, read)
    config = parse_json_object(read(CONFIG_FILE), file=CONFIG_FILE)
    tensors_by_file = cache.load(sha)
    if tensors_by_file is None:
        if sizes is None:
            tensors_by_file = _headers_of_cached_files(model.repo_id, sha)
        else:
            files = weight_files(sizes, model.repo_id, read)
            tensors_by_file = _fetch_headers(model.repo_id, sha, files, sizes, retries)
        cache.save(sha, tensors_by_file)
    return {
        "revision": sha,
        "config": config,
        "tensors": merged_tensors(tensors_by_file),
        "weight_files": tuple(tensors_by_file),
        "notes": model.notes,
    }


def _fetch_headers(
    repo_id: str, sha: str, files: Iterable[str], sizes: Mapping[str, int | None], retries: int
) -> dict[str, dict[str, TensorHeader]]:
    """The headers of all weight files, several at a time."""
    files = list(files)
    with ThreadPoolExecutor(min(PARALLEL_REQUESTS, len(files))) as pool:
        headers = pool.map(lambda file: _fetch_header(repo_id, sha, file, sizes.get(file), retries), files)
        return dict(zip(files, headers, strict=True))


def _fetch_header(repo_id: str, sha: str, file: str, size: int | None, retries: int) -> dict[str, TensorHeader]:
    """The header of one file, in one range request or two."""
    url = hf_hub_url(repo_id, file, revision=sha)
    content = with_retries(lambda: _fetch_range(url, 0, FIRST_REQUEST_BYTES), retries)
    end = LENGTH_PREFIX + header_length(content[:LENGTH_PREFIX], file=file, file_size=size)
    if len(content) < min(end, FIRST_REQUEST_BYTES):
        raise CorruptFileError(f"{file}: truncated inside its header ({len(content):,} bytes)")
    if end > len(content):
        first = content
        content += with_retries(lambda: _fetch_range(url, len(first), end), retries)
        if len(content) < end:
            raise CorruptFileError(f"{file}: truncated inside its header ({len(content):,} bytes)")
    return parse_header(content[LENGTH_PREFIX:end], file=file, file_size=size)


def _fetch_range(url: str, begin: int, end: int) -> bytes:
    """Bytes [begin, end) of a file, fewer where it ends before. Never more, also from a server without ranges."""
    headers = {**build_hf_headers(), "Range": f"bytes={begin}-{end - 1}", "Accept-Encoding": "identity"}
    with get_session().stream("GET", url, headers=headers, timeout=HF_HUB_DOWNLOAD_TIMEOUT) as response:
        if response.status_code == 416:  # the file ends before `begin`
            return b""
        if response.is_error:
            response.read()
        hf_raise_for_status(response)
        skip = begin if response.status_code == 200 else 0
        content = bytearray()
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) >= skip + end - begin:
                break
    return bytes(content[skip : skip + end - begin])


def _cached_sha(model: ModelName, cache: HeaderCache) -> str:
    """The commit a revision meant when it was last looked up, by the Hub's cache or by ours."""
    revision = model.revision or DEFAULT_REVISION
    if _COMMIT.fullmatch(revision):
        return revision
    config = try_to_load_from_cache(model.repo_id, CONFIG_FILE, revision=revision)
    if isinstance(config, str):
        return Path(config).parent.name
    sha = cache.remembered_sha(revision)
    if sha is None:
        raise IncompleteError(
            f"{model.repo_id}: not in the cache, and offline mode is on. Run once without HF_HUB_OFFLINE"
        )
    return sha


def _headers_of_cached_files(repo_id: str, sha: str) -> dict[str, dict[str, TensorHeader]]:
    """Headers of weight files that the Hub's cache holds."""
    cached = {}
    for name in (SINGLE_FILE, INDEX_FILE):
        path = try_to_load_from_cache(repo_id, name, revision=sha)
        if isinstance(path, str):
            cached[name] = Path(path)
    folder = next(iter(cached.values())).parent if cached else None
    if folder is None:
        raise IncompleteError(
            f"{repo_id}: its weights are not in the cache, and offline mode is on. Run once without HF_HUB_OFFLINE"
        )
    present = {path.name for path in folder.iterdir()}
    files = weight_files(present, repo_id, lambda name: (folder / name).read_bytes())
    return {file: read_header(folder / file)[0] for file in files}
