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
from typing import Any, TypeVar

from huggingface_hub import HfApi, hf_hub_url, try_to_load_from_cache
from huggingface_hub.constants import HF_HUB_CACHE, HF_HUB_DOWNLOAD_TIMEOUT, HF_HUB_ETAG_TIMEOUT, is_offline_mode
from huggingface_hub.errors import HFValidationError
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

from shape_audit.errors import CorruptFileError, IncompleteError
from shape_audit.hub.checkpoint import merged_tensors
from shape_audit.hub.downloads import download_files
from shape_audit.hub.header_cache import COMMIT, HeaderCache
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
    adapter_notes,
    parse_json_object,
    read_side_files,
    refuse_what_is_no_model,
    weight_files,
)
from shape_audit.records import MAX_SMALL_FILE

FIRST_REQUEST_BYTES = 100_000
"""Enough for the headers of most files: one request instead of two."""
PARALLEL_REQUESTS = 8
DEFAULT_REVISION = "main"


def read_hub_repository(model: ModelName, retries: int) -> dict[str, Any]:
    """Revision, config, tensors, files and notes of a Hub model: fields of `Checkpoint`.

    Raises:
        IncompleteError, NotAuditableError: as `read_checkpoint` says.
        huggingface_hub errors, httpx2 errors: see `errors.FOREIGN`.
    """
    cache = HeaderCache(model.repo_id, model.subfolder, model.variant)
    inside = f"{model.subfolder}/" if model.subfolder else ""
    if is_offline_mode():
        sha, repo_id = _cached_commit(model, cache)
        every_size = _cached_files(repo_id, sha)
    else:
        sha, repo_id, every_size, _ = _commit(model, retries)
        cache.remember(model.revision or DEFAULT_REVISION, sha, repo_id)
    sizes = _inside(every_size, inside)

    def read(name: str) -> bytes:
        return _small_file(repo_id, sha, inside, name, sizes.get(name), retries)

    refuse_what_is_no_model(sizes, repo_id, read)
    config = parse_json_object(read(CONFIG_FILE), file=CONFIG_FILE)
    tensors_by_file = cache.load(sha)
    if tensors_by_file is None:
        files = weight_files(sizes, repo_id, read, variant=model.variant)
        if is_offline_mode():
            folder = download_files(repo_id, sha, [inside + CONFIG_FILE], retries=0) / inside
            tensors_by_file = {file: read_header(folder / file)[0] for file in files}
        else:
            tensors_by_file = _fetch_headers(repo_id, sha, inside, files, sizes, retries)
        cache.save(sha, tensors_by_file)
    return {
        "repo_id": repo_id,
        "revision": sha,
        "config": config,
        "tensors": merged_tensors(tensors_by_file),
        "weight_files": tuple(tensors_by_file),
        "files": frozenset(every_size),
        "notes": (*model.notes, *adapter_notes(sizes)),
        "side_files": read_side_files(sizes, read),
    }


class HubFiles:
    """Files of a repository at one commit, for `inspect_model`: see `repository_files.RepositoryFiles`."""

    folder: Path | None = None
    odd: Mapping[str, str] = {}

    def __init__(
        self,
        repo_id: str,
        revision: str,
        inside: str,
        sizes: Mapping[str, int | None],
        sha256: Mapping[str, str],
        retries: int,
    ) -> None:
        self.repo_id, self.revision, self._inside, self._retries = repo_id, revision, inside, retries
        self.sizes = _inside(sizes, inside)
        self.sha256 = _inside(sha256, inside)

    @classmethod
    def of(cls, model: ModelName, retries: int) -> HubFiles:
        """Resolve the revision; offline, to what the cache holds.

        Raises:
            IncompleteError; huggingface_hub and httpx2 errors.
        """
        cache = HeaderCache(model.repo_id, model.subfolder, model.variant)
        inside = f"{model.subfolder}/" if model.subfolder else ""
        if is_offline_mode():
            sha, repo_id = _cached_commit(model, cache)
            return cls(repo_id, sha, inside, _cached_files(repo_id, sha), _cached_sha256(repo_id, sha), 0)
        sha, repo_id, sizes, sha256 = _commit(model, retries)
        cache.remember(model.revision or DEFAULT_REVISION, sha, repo_id)
        return cls(repo_id, sha, inside, sizes, sha256, retries)

    def read(self, name: str) -> bytes:
        return _small_file(self.repo_id, self.revision, self._inside, name, self.sizes.get(name), self._retries)

    def header(self, name: str) -> dict[str, TensorHeader]:
        if is_offline_mode():
            return read_header(self.local(name))[0]
        return _fetch_header(self.repo_id, self.revision, self._inside + name, self.sizes.get(name), self._retries)

    def local(self, name: str) -> Path:
        return download_files(self.repo_id, self.revision, [self._inside + name], retries=self._retries) / (
            self._inside + name
        )


_Value = TypeVar("_Value")


def _inside(of_all: Mapping[str, _Value], folder: str) -> dict[str, _Value]:
    """Those of a folder, by their names in it."""
    return {name.removeprefix(folder): value for name, value in of_all.items() if name.startswith(folder)}


def _small_file(repo_id: str, sha: str, inside: str, name: str, size: int | None, retries: int) -> bytes:
    if (size or 0) > MAX_SMALL_FILE:
        raise CorruptFileError(f"{repo_id}: {name} has {size:,} bytes: not the kind of file it should be")
    return (download_files(repo_id, sha, [inside + name], retries=retries) / inside / name).read_bytes()


def _commit(model: ModelName, retries: int) -> tuple[str, str, dict[str, int | None], dict[str, str]]:
    """The commit sha that the revision means now, the repository's own name, sizes and LFS hashes of its files."""

    def ask() -> tuple[str, str, dict[str, int | None], dict[str, str]]:
        try:
            info = HfApi().model_info(
                model.repo_id, revision=model.revision, files_metadata=True, timeout=HF_HUB_ETAG_TIMEOUT
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, HFValidationError | UnicodeEncodeError):
                raise
            raise IncompleteError(
                f"{model.repo_id}: the Hub's answer makes no sense; is there a proxy or a login page in between?"
            ) from error
        if info.sha is None or not COMMIT.fullmatch(info.sha):
            raise IncompleteError(f"{model.repo_id}: the Hub did not say which commit this is; try again")
        siblings = info.siblings or []
        sizes = {sibling.rfilename: sibling.size for sibling in siblings}
        return info.sha, info.id, sizes, {file.rfilename: file.lfs.sha256 for file in siblings if file.lfs}

    return with_retries(ask, retries)


def _fetch_headers(
    repo_id: str, sha: str, inside: str, files: Iterable[str], sizes: Mapping[str, int | None], retries: int
) -> dict[str, dict[str, TensorHeader]]:
    """The headers of all weight files, several at a time."""
    files = list(files)
    with ThreadPoolExecutor(min(PARALLEL_REQUESTS, len(files))) as pool:
        headers = pool.map(lambda file: _fetch_header(repo_id, sha, inside + file, sizes.get(file), retries), files)
        return dict(zip(files, headers, strict=True))


def _fetch_header(repo_id: str, sha: str, file: str, size: int | None, retries: int) -> dict[str, TensorHeader]:
    """The header of one file, in one range request or two."""
    url = hf_hub_url(repo_id, file, revision=sha)
    file = f"{file} as the Hub sent it"
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


def _cached_commit(model: ModelName, cache: HeaderCache) -> tuple[str, str]:
    """(sha, repo_id) as the revision was last looked up: by us, or else by whoever filled the Hub's cache."""
    revision = model.revision or DEFAULT_REVISION
    if COMMIT.fullmatch(revision):
        return revision, model.repo_id
    remembered = cache.remembered(revision)
    if remembered is not None:
        return remembered
    config = try_to_load_from_cache(model.repo_id, CONFIG_FILE, revision=revision)
    if isinstance(config, str):
        return Path(config).parent.name, model.repo_id
    raise IncompleteError(f"{model.repo_id}: not in the cache, and offline mode is on. Run once without HF_HUB_OFFLINE")


def _snapshot(repo_id: str, sha: str) -> Path:
    """Where the Hub's cache has a commit."""
    config = try_to_load_from_cache(repo_id, CONFIG_FILE, revision=sha)
    snapshot = Path(HF_HUB_CACHE) / repo_folder_name(repo_id=repo_id, repo_type="model") / "snapshots" / sha
    return Path(config).parent if isinstance(config, str) else snapshot


def _cached_files(repo_id: str, sha: str) -> dict[str, int | None]:
    """Name -> size of the files of a commit that the Hub's cache holds."""
    root = _snapshot(repo_id, sha)
    return {path.relative_to(root).as_posix(): path.stat().st_size for path in root.rglob("*") if path.is_file()}


def _cached_sha256(repo_id: str, sha: str) -> dict[str, str]:
    """Name -> the Hub's hash of large files, after which the cache names what its links lead to."""
    root = _snapshot(repo_id, sha)
    links = {path.relative_to(root).as_posix(): path.resolve().name for path in root.rglob("*") if path.is_symlink()}
    return {name: blob for name, blob in links.items() if re.fullmatch("[0-9a-f]{64}", blob)}
