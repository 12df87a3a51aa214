"""A model or dataset repository: commits, the refs that name them, and who may read it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Literal

from tests.loopback_hub.git_objects import FILE_MODE, FOLDER_MODE, TreeEntry, commit_oid, tree_oid
from tests.loopback_hub.hub_error import HubError
from tests.loopback_hub.stored_file import StoredFile

RepoType = Literal["model", "dataset"]
Gate = Literal["auto", "manual"]
Files = Path | Mapping[str, bytes | Path]

FIRST_COMMIT_AT = datetime(2024, 1, 1, tzinfo=UTC)
ROOT = PurePosixPath()


@dataclass(frozen=True)
class Commit:
    """The whole tree at one point of a branch; `folders` maps paths, without the root, to git's tree ids."""

    sha: str
    title: str
    date: datetime
    files: Mapping[str, StoredFile]
    folders: Mapping[str, str]


@dataclass
class Repository:
    """One repository. `refs` maps full git names (`refs/heads/main`, `refs/tags/v1`, `refs/pr/1`) to shas."""

    repo_type: RepoType
    name: str
    gated: Gate | Literal[False] = False
    private: bool = False
    refs: dict[str, str] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)

    @property
    def page(self) -> str:
        """The path of its page, as the Hub's addresses have it."""
        return f"/datasets/{self.name}" if self.repo_type == "dataset" else f"/{self.name}"

    def commit(self, files: Files, revision: str, *, title: str | None = None, parent: Commit | None = None) -> Commit:
        """Add a commit whose tree is exactly `files` to the branch (or `refs/pr/N`) `revision`.

        Dates count hours from a fixed day, so the sha depends on content and history alone.

        Args:
            parent: the commit before it; by default the branch's last.
        """
        ref = revision if revision.startswith("refs/") else f"refs/heads/{revision}"
        parent = parent or self.commits.get(self.refs.get(ref, ""))
        title = title or ("Change files" if parent else "Add files")
        date = parent.date + timedelta(hours=1) if parent else FIRST_COMMIT_AT
        stored = {path: StoredFile.at(path, content) for path, content in _by_path(files).items()}
        tree_oids = _folder_oids(stored)
        sha = commit_oid(tree_oids.pop(ROOT), parent.sha if parent else None, title, int(date.timestamp()))
        folders = {folder.as_posix(): oid for folder, oid in tree_oids.items()}
        self.commits[sha] = Commit(sha, title, date, stored, folders)
        self.refs[ref] = sha
        return self.commits[sha]

    def resolve(self, revision: str) -> Commit:
        """The commit that a branch, a tag, a full sha or a `refs/...` name stands for.

        Raises:
            HubError: 404 RevisionNotFound.
        """
        for ref in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
            if ref in self.refs:
                return self.commits[self.refs[ref]]
        if revision in self.commits:
            return self.commits[revision]
        raise HubError(404, "RevisionNotFound", "No branch, tag or commit has this name")


def _by_path(files: Files) -> Mapping[str, bytes | Path]:
    """Contents by path in the repository; of a folder, every file in it but git's own."""
    if not isinstance(files, Path):
        return files
    found = {path.relative_to(files): path for path in files.rglob("*") if path.is_file()}
    return {place.as_posix(): path for place, path in found.items() if ".git" not in place.parts}


def _folder_oids(files: Mapping[str, StoredFile]) -> dict[PurePosixPath, str]:
    """Tree id of every folder, the root included. The deepest come first: a parent's id needs theirs."""
    entries: dict[PurePosixPath, list[TreeEntry]] = {ROOT: []}
    for path, file in files.items():
        place = PurePosixPath(path)
        for folder in place.parents:
            entries.setdefault(folder, [])
        entries[place.parent].append(TreeEntry(place.name, FILE_MODE, file.oid))
    oids: dict[PurePosixPath, str] = {}
    for folder in sorted(entries, key=lambda folder: len(folder.parts), reverse=True):
        oids[folder] = tree_oid(entries[folder])
        if folder != ROOT:
            entries[folder.parent].append(TreeEntry(folder.name, FOLDER_MODE, oids[folder]))
    return oids
