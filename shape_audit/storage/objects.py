"""Folders that fsspec opens: S3, Google and Azure object stores, and memory. To put an object there is atomic."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from threading import Event
from typing import Any

from shape_audit.errors import IncompleteError, MissingExtraError, translate_errors
from shape_audit.places import PROTOCOLS, Url
from shape_audit.storage.store import Listed

DEPTH = 2
"""A board's files, and those of its folders."""
VERSIONS = ("ETag", "etag", "md5Hash", "content_md5", "created")
"""What file systems call that which changes with the content."""


class ObjectStore:
    """A folder of a bucket, or of this process's memory."""

    pause = 0.0

    def __init__(self, url: Url, file_system: Any) -> None:
        self.url, self._files = url, file_system
        self.identity = f"{url} {sorted(file_system.storage_options.items())}"
        self._root: str = file_system._strip_protocol(str(url))

    @classmethod
    def at(cls, url: Url) -> ObjectStore:
        """The folder of a URL.

        Raises:
            MissingExtraError: the package of its protocol is not installed.
        """
        import fsspec

        package = PROTOCOLS[url.protocol]
        if find_spec(package) is None:
            raise MissingExtraError(f"{url.protocol}:// needs {package}: pip install {package}")
        with _explained(url):
            # not the instance that others of this process use, with listings of its own age
            return cls(url, fsspec.filesystem(url.protocol, skip_instance_cache=True))

    def check_writable(self) -> None:
        """Whether the place is there and answers; rights are by object, so the rest only writing tells."""
        with _explained(self.url):
            self._inside(self._root)

    def listing(self) -> dict[str, Listed]:
        with _explained(self.url):
            self._files.invalidate_cache()
            # not by `find`, which passes over folders that it cannot list
            found = [entry for one in self._inside(self._root) for entry in (one, *self._below(one))]
        return _listed(self._root, found)

    def read(self, path: str, listed: Listed, stop: Event) -> bytes:
        with _explained(self.url / path):
            return bytes(self._files.cat_file(f"{self._root}/{path}"))

    def write(self, files: Mapping[str, bytes], gone: Iterable[str] = ()) -> None:
        for path, content in files.items():
            with _explained(self.url / path):
                self._files.pipe_file(f"{self._root}/{path}", content)
        for path in gone:
            with _explained(self.url / path), suppress(FileNotFoundError):
                self._files.rm_file(f"{self._root}/{path}")

    def _inside(self, folder: str) -> list[Mapping[str, Any]]:
        """The entries of a folder; none where there is no such folder in the bucket."""
        try:
            return list(self._files.ls(folder, detail=True))
        except FileNotFoundError as error:
            response = getattr(error.__cause__ or error.__context__, "response", None)
            if isinstance(response, Mapping) and response.get("Error", {}).get("Code") == "NoSuchBucket":
                raise
            return []

    def _below(self, entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        is_folder = entry["type"] == "directory" and entry["name"].strip("/") != self._root.strip("/")
        return self._inside(entry["name"]) if is_folder else []

    def versions(self, content: bytes) -> Collection[str]:
        digest = hashlib.md5(content, usedforsecurity=False)
        return {digest.hexdigest(), base64.b64encode(digest.digest()).decode()}


def _listed(root: str, found: Iterable[Mapping[str, Any]]) -> dict[str, Listed]:
    """The files among what a file system has found, by paths in the folder."""
    listing = {}
    for about in found:
        path = about["name"].strip("/").removeprefix(root.strip("/")).lstrip("/")
        if about["type"] == "file" and path:
            version = next((about[key] for key in VERSIONS if about.get(key)), None)
            listing[path] = Listed(about.get("size"), str(version).strip('"') if version else None)
    return listing


@contextmanager
def _explained(where: Url) -> Iterator[None]:
    """What file systems raise, with the words of this house; the rest is in `errors.FOREIGN`."""
    try:
        with translate_errors(str(where)):
            yield
    except IncompleteError as error:
        cause, package = error.__cause__, PROTOCOLS[where.protocol]
        if isinstance(cause, FileNotFoundError):
            raise IncompleteError(f"{where}: no such bucket, or no such file any more") from cause
        if isinstance(cause, PermissionError):
            raise IncompleteError(f"{where}: no permission; see the credentials that {package} uses") from cause
        raise
