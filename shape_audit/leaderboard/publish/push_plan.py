"""What a push would change, worked out from the files here and the files there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from shape_audit.leaderboard.build.board_folder import RenderedBoard, is_board_path


@dataclass(frozen=True)
class RepositoryState:
    """A dataset repository as it is now.

    Attributes:
        repo_id: its own name, where it was asked for in other case or by a former one.
        revision: commit of its main branch.
        hashes: path -> SHA-256 of what is kept in LFS or Xet, git's blob id of the rest.
    """

    repo_id: str
    revision: str
    private: bool
    hashes: Mapping[str, str]


@dataclass(frozen=True)
class PlannedFile:
    """A file to be sent.

    Attributes:
        size: bytes.
        is_new: whether none of this name is there.
    """

    path: str
    size: int
    is_new: bool


@dataclass(frozen=True)
class PushPlan:
    """What a push would do.

    Attributes:
        repository: `new`, `existing`, or `not seen` where a dry run could not look.
        upload: in the order of their paths.
        delete: files of an earlier board that this one has not; never others.
        unchanged: files that are there already.
        left_out: what lies in the folder and is no part of a board.
        notes: what the user should know.
    """

    repo_id: str
    repository: str
    upload: tuple[PlannedFile, ...]
    delete: tuple[str, ...]
    unchanged: tuple[str, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether everything is there already."""
        return not self.upload and not self.delete

    @property
    def bytes_to_send(self) -> int:
        """Bytes of all files to be sent."""
        return sum(file.size for file in self.upload)


@dataclass(frozen=True)
class PushResult:
    """What a push has done.

    Attributes:
        is_dry_run: nothing was sent, whatever the plan says.
        address: of the dataset's page.
        commit: the commit made; None where none was.
        pull_request: address of the one opened; None where none was.
    """

    plan: PushPlan
    is_dry_run: bool
    address: str
    commit: str | None = None
    pull_request: str | None = None


def plan_push(rendered: RenderedBoard, state: RepositoryState | None, *, repo_id: str) -> PushPlan:
    """Compare the files of a board with those of a repository.

    Args:
        state: None for a repository that does not exist, or was not seen.
        repo_id: what it was asked for by; its own name goes before.
    """
    there = state.hashes if state is not None else {}
    changed = [path for path, content in rendered.contents.items() if there.get(path) not in _hashes(content)]
    return PushPlan(
        repo_id=state.repo_id if state is not None else repo_id,
        repository="existing" if state is not None else "new",
        upload=tuple(PlannedFile(path, len(rendered.contents[path]), path not in there) for path in sorted(changed)),
        delete=tuple(sorted(path for path in there if is_board_path(path) and path not in rendered.contents)),
        unchanged=tuple(sorted(set(rendered.contents) - set(changed))),
        left_out=rendered.left_out,
    )


def _hashes(content: bytes) -> tuple[str, str]:
    """Both names the Hub may have for a content: SHA-256, and git's blob id."""
    return (
        hashlib.sha256(content).hexdigest(),
        hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest(),
    )
