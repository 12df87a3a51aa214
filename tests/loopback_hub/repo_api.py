"""The JSON API: facts, file lists and refs of a repository, in the fields huggingface_hub reads.

Left out on purpose: what the Hub derives from weights (`safetensors`), and all of a model card but its licence. They
may be missing on the Hub too, so a client that needs them must cope.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

import yaml

from tests.loopback_hub.hub_error import HubError
from tests.loopback_hub.repository import FIRST_COMMIT_AT, Commit, Repository
from tests.loopback_hub.stored_file import LfsPointer, StoredFile

Json = dict[str, Any]


def info(repository: Repository, commit: Commit, *, blobs: bool, expand: Sequence[str]) -> Json:
    """`model_info` / `dataset_info` at `commit`; with `expand`, its id and the asked-for fields only."""
    config = _config(commit) if repository.repo_type == "model" else {}
    fields: Json = {
        "_id": commit.sha[:24],
        "id": repository.name,
        "author": repository.name.rpartition("/")[0] or None,
        "sha": commit.sha,
        "createdAt": _date(FIRST_COMMIT_AT),
        "lastModified": _date(commit.date),
        "private": repository.private,
        "gated": repository.gated,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": sorted(_formats(commit)) + [config[key] for key in ("model_type",) if key in config],
        "siblings": [_sibling(path, file, blobs) for path, file in sorted(commit.files.items())],
        "usedStorage": sum(file.size for file in commit.files.values()),
    }
    if card := _card(commit):
        fields["cardData"] = card
    if config:
        fields |= {"modelId": repository.name, "library_name": "transformers", "config": config}
    return {key: fields[key] for key in ("_id", "id", *expand) if key in fields} if expand else fields


def tree(commit: Commit, folder: str, *, recursive: bool, expand: bool) -> list[Json]:
    """Files and folders directly under `folder` ("" is the root), or at any depth.

    Raises:
        HubError: 404 EntryNotFound if there is no such folder.
    """
    if folder and folder not in commit.folders:
        raise HubError(404, "EntryNotFound", "No such folder at this revision", {"X-Repo-Commit": commit.sha})
    root = PurePosixPath(folder)
    inside = [path for path in (*commit.folders, *commit.files) if root in PurePosixPath(path).parents]
    listed = inside if recursive else [path for path in inside if PurePosixPath(path).parent == root]
    return [_entry(commit, path, expand) for path in sorted(listed)]


def paths_info(commit: Commit, paths: Iterable[str], *, expand: bool) -> list[Json]:
    """The same entries for named files and folders; like the Hub, without those that do not exist."""
    return [_entry(commit, path, expand) for path in paths if path in commit.files or path in commit.folders]


def refs(repository: Repository, *, pull_requests: bool) -> Json:
    """Branches, tags and, if asked for, pull requests."""
    kinds = {"branches": "refs/heads/", "tags": "refs/tags/", "pullRequests": "refs/pr/"}
    listed: Json = {
        kind: [
            {"name": ref.removeprefix(prefix), "ref": ref, "targetCommit": sha}
            for ref, sha in sorted(repository.refs.items())
            if ref.startswith(prefix)
        ]
        for kind, prefix in kinds.items()
        if kind != "pullRequests" or pull_requests
    }
    return {**listed, "converts": []}


def _config(commit: Commit) -> Json:
    """What the Hub shows of config.json; nothing where there is none to read."""
    file = commit.files.get("config.json")
    try:
        config = json.loads(b"".join(file.read())) if file else {}
    except ValueError:
        return {}
    return {key: config[key] for key in ("architectures", "model_type") if key in config}


def _card(commit: Commit) -> Json:
    """What README.md says of the licence; nothing where that cannot be read."""
    file = commit.files.get("README.md")
    text = b"".join(file.read()).decode(errors="replace") if file else ""
    try:
        card = yaml.safe_load(text.split("---\n")[1]) if text.startswith("---\n") else {}
    except (yaml.YAMLError, IndexError, ValueError, RecursionError):
        return {}
    given = card.items() if isinstance(card, dict) else ()
    return {key: value for key, value in given if key in ("license", "license_name", "license_link")}


def _formats(commit: Commit) -> set[str]:
    suffixes = {PurePosixPath(path).suffix.removeprefix(".") for path in commit.files}
    return suffixes & {"safetensors", "gguf", "onnx", "parquet"}


def _sibling(path: str, file: StoredFile, blobs: bool) -> Json:
    sibling: Json = {"rfilename": path}
    if blobs:
        sibling |= {"size": file.size, "blobId": file.oid}
        if file.lfs:
            sibling["lfs"] = _lfs(file, file.lfs) | {"sha256": file.lfs.sha256}
    return sibling


def _lfs(file: StoredFile, pointer: LfsPointer) -> Json:
    """The part that both listings share; the hash is `sha256` in one and `oid` in the other."""
    return {"size": file.size, "pointerSize": pointer.pointer_size}


def _entry(commit: Commit, path: str, expand: bool) -> Json:
    file = commit.files.get(path)
    entry: Json
    if file is None:
        entry = {"type": "directory", "oid": commit.folders[path], "size": 0, "path": path}
    else:
        entry = {"type": "file", "oid": file.oid, "size": file.size, "path": path}
        if file.lfs:
            entry["lfs"] = _lfs(file, file.lfs) | {"oid": file.lfs.sha256}
    if expand:
        # Every commit here replaces the whole tree, so the commit itself is the last that touched the path.
        entry["lastCommit"] = {"id": commit.sha, "title": commit.title, "date": _date(commit.date)}
    return entry


def _date(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
