"""A Hub repository at one commit: config and headers by a handful of small requests.

huggingface_hub does the transport, the cache, the token and offline mode. Online: one request resolves the revision
to a commit sha and lists the files; config.json and the index are downloaded into the Hub's cache; headers come by
range requests and are kept in `HeaderCache`, so that a second audit of the same commit makes one request, or none
offline.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import NamedTuple, TypeVar

from huggingface_hub import HfApi, hf_hub_url, try_to_load_from_cache
from huggingface_hub.constants import HF_HUB_CACHE, HF_HUB_DOWNLOAD_TIMEOUT, HF_HUB_ETAG_TIMEOUT, is_offline_mode
from huggingface_hub.errors import HFValidationError
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

from shape_audit.errors import CorruptFileError, IncompleteError
from shape_audit.hub.downloads import download_files
from shape_audit.hub.header_cache import COMMIT, HeaderCache
from shape_audit.hub.names import is_hub_name
from shape_audit.hub.parallel_requests import side_by_side
from shape_audit.hub.repository_facts import RepositoryFacts, repository_facts
from shape_audit.hub.retrying import with_retries
from shape_audit.hub.safetensors_header import (
    LENGTH_PREFIX,
    HeaderError,
    TensorHeader,
    header_length,
    parse_header,
    read_header,
)
from shape_audit.hub.traffic import watched, watching
from shape_audit.hub.weight_files import CONFIG_FILE
from shape_audit.records import MAX_SMALL_FILE, ModelRef

FIRST_REQUEST_BYTES = 100_000
"""Enough for the headers of most files: one request instead of two."""
PARALLEL_REQUESTS = 8
DEFAULT_REVISION = "main"
HASH = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
"""Of a file: git's, or sha256 of one in LFS."""


class HubFiles:
    """Files of a repository at one commit; see `repository_files.RepositoryFiles`."""

    folder: Path | None = None
    odd: Mapping[str, str] = {}

    def __init__(
        self,
        ref: ModelRef,
        sizes: Mapping[str, int | None],
        hashes: Mapping[str, str],
        facts: RepositoryFacts,
        retries: int,
    ) -> None:
        """
        Args:
            ref: at its commit.
            sizes, hashes: of all files of the repository.
        """
        assert ref.revision is not None
        self.ref, self.outside, self._commit, self._retries = ref, frozenset(sizes), ref.revision, retries
        self.facts = facts
        self._inside = f"{ref.subfolder}/" if ref.subfolder else ""
        self._cache, self._sizes = _header_cache(ref), sizes
        self.sizes = _inside(sizes, self._inside)
        self.hashes = _inside(hashes, self._inside)
        if is_offline_mode():  # whose headers are kept need not lie here
            self.sizes = {**dict.fromkeys(self._cache.load(self._commit) or {}), **self.sizes}

    @classmethod
    def of(cls, ref: ModelRef, retries: int) -> HubFiles:
        """Resolve the revision; offline, to what the cache holds.

        Raises:
            IncompleteError; huggingface_hub and httpx2 errors.
        """
        cache = _header_cache(ref)
        if is_offline_mode():
            sha, repo_id = _cached_commit(ref, cache)
            sizes, hashes = _cached_files(repo_id, sha), _cached_hashes(repo_id, sha)
            return cls(_found(ref, sha, repo_id), sizes, hashes, cache.facts(sha), 0)
        answer = _resolved(ref, retries)
        cache.remember(ref.revision or DEFAULT_REVISION, answer.sha, answer.repo_id)
        cache.keep_facts(answer.sha, answer.facts)
        return cls(_found(ref, answer.sha, answer.repo_id), answer.sizes, answer.hashes, answer.facts, retries)

    def read(self, name: str) -> bytes:
        size = self.sizes.get(name)
        if (size or 0) > MAX_SMALL_FILE:
            raise CorruptFileError(f"{self.ref.repo_id}: {name} has {size:,} bytes: not the kind of file it should be")
        return self.local(name).read_bytes()

    @property
    def everything(self) -> Mapping[str, int | None]:
        return self.sizes

    def part(self, name: str, begin: int, end: int) -> bytes:
        file = self._inside + name
        cached = try_to_load_from_cache(self.ref.repo_id, file, revision=self._commit)
        if isinstance(cached, str):
            with open(cached, "rb") as stream:
                stream.seek(begin)
                return stream.read(end - begin)
        if is_offline_mode():
            raise IncompleteError(f"{self.ref.repo_id}: {name} is not in the cache, and offline mode is on")
        url = hf_hub_url(self.ref.repo_id, file, revision=self._commit)
        return with_retries(lambda: _fetch_range(url, begin, end), self._retries)

    def headers(self, names: Iterable[str]) -> dict[str, Mapping[str, TensorHeader] | HeaderError | OSError]:
        """By range requests, several at a time; those of a commit that were read before come from the cache."""
        kept = self._cache.load(self._commit) or {}
        names = list(names)
        absent = [name for name in names if name not in kept]
        if not absent:
            return {name: kept[name] for name in names}
        found = dict(zip(absent, side_by_side(self._header, absent, PARALLEL_REQUESTS), strict=True))
        sound = {name: header for name, header in found.items() if isinstance(header, Mapping)}
        self._cache.save(self._commit, kept | sound)
        return {name: kept.get(name, found.get(name, {})) for name in names}

    def raw_headers(self, names: Iterable[str]) -> dict[str, bytes]:
        return {}

    def local(self, name: str) -> Path:
        return self.fetched([self._inside + name]) / (self._inside + name)

    def fetched(self, names: Iterable[str]) -> Path:
        return download_files(self.ref.repo_id, self._commit, names, retries=self._retries, sizes=self._sizes)

    def _header(self, name: str, stop: Event) -> Mapping[str, TensorHeader] | HeaderError | OSError:
        try:
            if is_offline_mode():
                return read_header(self.local(name))[0]
            file, size = self._inside + name, self.sizes.get(name)
            url = hf_hub_url(self.ref.repo_id, file, revision=self._commit)

            def fetch(begin: int, end: int) -> bytes:
                return with_retries(lambda: _fetch_range(url, begin, end, stop), self._retries)

            return _fetch_header(f"{file} as the Hub sent it", size, fetch)
        except (HeaderError, PermissionError, IsADirectoryError) as error:
            return error


def _found(ref: ModelRef, sha: str, repo_id: str) -> ModelRef:
    """The model as the Hub has answered; another name than was asked for is told."""
    if repo_id.casefold() == ref.repo_id.casefold():
        return ref.at(sha, repo_id=repo_id)
    note = f"{ref.repo_id} was asked for, and the Hub answered with {repo_id}: renamed, or redirected there"
    return replace(ref.at(sha, repo_id=repo_id), notes=(*ref.notes, note), former=ref.repo_id)


def _header_cache(ref: ModelRef) -> HeaderCache:
    return HeaderCache(ref.repo_id, ref.subfolder, ref.variant)


_Value = TypeVar("_Value")


def _inside(of_all: Mapping[str, _Value], folder: str) -> dict[str, _Value]:
    """Those of a folder, by their names in it."""
    return {name.removeprefix(folder): value for name, value in of_all.items() if name.startswith(folder)}


class _Answer(NamedTuple):
    """What the Hub says of a revision: the commit that it means now, the repository's own name, sizes and hashes of its
    files, and what else."""

    sha: str
    repo_id: str
    sizes: dict[str, int | None]
    hashes: dict[str, str]
    facts: RepositoryFacts


def _resolved(ref: ModelRef, retries: int) -> _Answer:
    def ask() -> _Answer:
        try:
            info = HfApi().model_info(
                ref.repo_id, revision=ref.revision, files_metadata=True, timeout=HF_HUB_ETAG_TIMEOUT
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, HFValidationError | UnicodeEncodeError):
                raise
            raise IncompleteError(
                f"{ref.repo_id}: unexpected response from the Hub; is there a proxy or a login page in between?"
            ) from error
        if not isinstance(info.sha, str) or not COMMIT.fullmatch(info.sha):
            raise IncompleteError(f"{ref.repo_id}: the Hub did not say which commit this is; try again")
        if not is_hub_name(info.id):
            raise IncompleteError(f"{ref.repo_id}: the Hub answered with the name {str(info.id)[:80]!a}, which is none")
        siblings = info.siblings or []
        odd = [file.rfilename for file in siblings if not _is_inside(file.rfilename)]
        if odd:
            raise CorruptFileError(f"{ref.repo_id}: the Hub lists a file by the name {str(odd[0])[:80]!a}: refused")
        sizes = {file.rfilename: file.size if isinstance(file.size, int) else None for file in siblings}
        hashes = {file.rfilename: file.lfs.sha256 if file.lfs else file.blob_id for file in siblings}
        known = {name: value for name, value in hashes.items() if HASH.fullmatch(str(value))}
        return _Answer(info.sha, info.id, sizes, known, repository_facts(info))

    return with_retries(watching(f"what the Hub says of {ref.repo_id}", ask), retries)


def _is_inside(name: object) -> bool:
    """Whether a file's name stays inside its repository."""
    return isinstance(name, str) and "\0" not in name and not {"", ".", ".."} & set(name.split("/"))


def _fetch_header(file: str, size: int | None, fetch: Callable[[int, int], bytes]) -> dict[str, TensorHeader]:
    """The header of one file, in one range request or two.

    Args:
        fetch: bytes [begin, end) of the file.
    """
    content = fetch(0, FIRST_REQUEST_BYTES)
    end = LENGTH_PREFIX + header_length(content[:LENGTH_PREFIX], file=file, file_size=size)
    if len(content) < min(end, FIRST_REQUEST_BYTES):
        raise HeaderError(f"{file}: truncated inside its header ({len(content):,} bytes)", "size")
    if end > len(content):
        content += fetch(len(content), end)
        if len(content) < end:
            raise HeaderError(f"{file}: truncated inside its header ({len(content):,} bytes)", "size")
    return parse_header(content[LENGTH_PREFIX:end], file=file, file_size=size)


def _fetch_range(url: str, begin: int, end: int, stop: Event | None = None) -> bytes:
    """Bytes [begin, end) of a file, fewer where it ends before. Never more, also from a server without ranges."""
    headers = {**build_hf_headers(), "Range": f"bytes={begin}-{end - 1}", "Accept-Encoding": "identity"}
    with (
        watched(url.rpartition("/")[2], size=end, stop=stop),
        get_session().stream("GET", url, headers=headers, timeout=HF_HUB_DOWNLOAD_TIMEOUT) as response,
    ):
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


def _cached_commit(ref: ModelRef, cache: HeaderCache) -> tuple[str, str]:
    """(sha, repo_id) as the revision was last looked up: by us, or else by whoever filled the Hub's cache."""
    revision = ref.revision or DEFAULT_REVISION
    if COMMIT.fullmatch(revision):
        return revision, ref.repo_id
    remembered = cache.remembered(revision)
    if remembered is not None:
        return remembered
    config = try_to_load_from_cache(ref.repo_id, CONFIG_FILE, revision=revision)
    if isinstance(config, str):
        return Path(config).parent.name, ref.repo_id
    raise IncompleteError(f"{ref.repo_id}: not in the cache, and offline mode is on. Run once without HF_HUB_OFFLINE")


def _snapshot(repo_id: str, sha: str) -> Path:
    """Where the Hub's cache has a commit."""
    config = try_to_load_from_cache(repo_id, CONFIG_FILE, revision=sha)
    snapshot = Path(HF_HUB_CACHE) / repo_folder_name(repo_id=repo_id, repo_type="model") / "snapshots" / sha
    return Path(config).parent if isinstance(config, str) else snapshot


def _cached_files(repo_id: str, sha: str) -> dict[str, int | None]:
    """Name -> size of the files of a commit that the Hub's cache holds."""
    root = _snapshot(repo_id, sha)
    return {path.relative_to(root).as_posix(): path.stat().st_size for path in root.rglob("*") if path.is_file()}


def _cached_hashes(repo_id: str, sha: str) -> dict[str, str]:
    """Name -> the Hub's hash of a file, after which the cache names what its links lead to."""
    root = _snapshot(repo_id, sha)
    links = {path.relative_to(root).as_posix(): path.resolve().name for path in root.rglob("*") if path.is_symlink()}
    return {name: blob for name, blob in links.items() if HASH.fullmatch(blob)}
