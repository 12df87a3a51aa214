"""A folder of a dataset repository on the Hub, read through its file system and written by commits.

What is written at once is one commit: readers see all of it or nothing. The Hub takes a limited number of commits an
hour, hence the pause. A commit names no parent: it adds its files to whatever others have written meanwhile, and only
where two arrive at the same moment does the Hub refuse one, which is then made again.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event
from typing import Any, Final

from shape_audit.errors import IncompleteError, UsageError, explained, translate_errors
from shape_audit.hub import DEFAULT_RETRIES, quiet_downloads, watched, watching, with_retries
from shape_audit.places import Url
from shape_audit.storage.hub_errors import hub_write_errors
from shape_audit.storage.objects import DEPTH
from shape_audit.storage.store import Listed

REPO_TYPE: Final = "dataset"
PAUSE_SECONDS = 30.0
"""The Hub takes 128 commits an hour to a repository."""
REFUSALS = 8
"""How often a commit may meet another one."""


class HubDataset:
    """`hf://datasets/org/name[@revision][/folder]`."""

    def __init__(self, url: Url) -> None:
        """
        Raises:
            UsageError: the URL is of anything else.
        """
        from huggingface_hub import HfApi, HfFileSystem
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils import parse_hf_uri

        self.url, self.pause = url, PAUSE_SECONDS
        try:
            found = parse_hf_uri(str(url))
        except (ValueError, HFValidationError) as error:
            raise UsageError(f"{url}: not a folder of the Hub; it takes hf://datasets/org/name/folder") from error
        if found.type != REPO_TYPE:
            raise UsageError(f"{url}: records are kept in datasets: hf://datasets/org/name/folder")
        self._repo_id, self._revision, self._folder = found.id, found.revision, found.path_in_repo.strip("/")
        self._api = HfApi()
        self.identity = f"{self._api.endpoint} {url}"
        # one thread, whose answers are counted; an instance of its own, with no listings of others in this process
        self._files = HfFileSystem(max_workers=1, skip_instance_cache=True)
        self._root = url.path

    def check_writable(self) -> None:
        from huggingface_hub import CommitOperationAdd, get_token

        if get_token() is None:
            raise IncompleteError(f"{self.url}: no token to write with. Log in with `hf auth login`, or set HF_TOKEN")
        probe = CommitOperationAdd(self._path("probe.json"), b"{}")  # asked about, never sent

        def ask() -> None:
            self._api.preupload_lfs_files(self._repo_id, [probe], repo_type=REPO_TYPE, revision=self._revision)

        with self._write_errors():
            with_retries(watching(f"{self.url}", ask), DEFAULT_RETRIES)

    def listing(self) -> dict[str, Listed]:
        with self._read_errors():
            return with_retries(self._listed, DEFAULT_RETRIES)

    def read(self, path: str, listed: Listed, stop: Event) -> bytes:
        def ask() -> bytes:
            with watched(f"{self.url}/{path}", size=listed.size, stop=stop):
                return bytes(self._files.cat_file(f"{self._root}/{path}"))

        with self._read_errors():
            return with_retries(ask, DEFAULT_RETRIES)

    def write(self, files: Mapping[str, bytes], gone: Iterable[str] = ()) -> None:
        gone = list(gone)
        with self._write_errors(), quiet_downloads():
            for attempt in range(REFUSALS):
                try:
                    return with_retries(lambda: self._commit(files, gone), DEFAULT_RETRIES)
                except Exception as error:
                    if attempt + 1 == REFUSALS or not _is_conflict(error):
                        raise
                    time.sleep(random.uniform(0, min(2**attempt, 16)))  # not all of them at the same moment again

    def versions(self, content: bytes) -> Collection[str]:
        blob = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
        blob.update(content)
        return {blob.hexdigest(), hashlib.sha256(content).hexdigest()}

    def _commit(self, files: Mapping[str, bytes], gone: Iterable[str]) -> None:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        there = self._listed()  # a commit that removes what is not there, or changes nothing, is refused or warned of
        changed = {
            path: content
            for path, content in files.items()
            if path not in there or there[path].version not in self.versions(content)
        }
        operations = [
            *(CommitOperationAdd(self._path(path), content) for path, content in changed.items()),
            *(CommitOperationDelete(self._path(path), is_folder=False) for path in gone if path in there),
        ]
        if not operations:
            return
        with watched(f"a commit to {self.url}", size=sum(map(len, changed.values()))):
            self._api.create_commit(
                self._repo_id, operations, repo_type=REPO_TYPE, revision=self._revision,
                commit_message=f"shape-audit: {len(operations)} files",
            )  # fmt: skip

    def _listed(self) -> dict[str, Listed]:
        with watched(f"the files of {self.url}"):
            found = self._files.find(self._root, maxdepth=DEPTH, detail=True, refresh=True)
            start = len(self._files.resolve_path(self._root).unresolve()) + 1
        return {name[start:]: Listed(about["size"], _version(about)) for name, about in found.items()}

    def _path(self, path: str) -> str:
        return f"{self._folder}/{path}" if self._folder else path

    @contextmanager
    def _read_errors(self) -> Iterator[None]:
        """The file system says of all that is missing that a file is; what the Hub has said is behind it."""
        try:
            with translate_errors(str(self.url)):
                yield
        except IncompleteError as error:
            missing = error.__cause__
            if not isinstance(missing, FileNotFoundError):
                raise
            found = explained(missing.__cause__, str(self.url)) if missing.__cause__ else None
            if found is None:
                raise IncompleteError(f"{self.url}: a file that was listed is gone; try again") from error
            advice = f"; make it with `hf repos create {self._repo_id} --type dataset`"
            raise type(found)(f"{found}{advice if 'not found' in str(found) else ''}") from error

    @contextmanager
    def _write_errors(self) -> Iterator[None]:
        with hub_write_errors(str(self.url)):
            yield


def _version(about: Mapping[str, Any]) -> str | None:
    large = about.get("lfs")
    return large.sha256 if large else about.get("blob_id")


def _is_conflict(error: Exception) -> bool:
    return getattr(getattr(error, "response", None), "status_code", None) in (409, 412)
