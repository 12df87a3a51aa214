"""A dataset repository on the Hub: how it stands, and one commit to it.

`HfApi.create_commit` hashes, uploads (to Xet where that is installed), leaves out what is there already and has the Hub
check the card. `HfApi.upload_folder` would do the same from a folder, but in several commits where there are many
files or a commit has failed once (huggingface_hub 2.4, `_upload_pipeline.py`): readers would see half a board.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from shape_audit.errors import IncompleteError
from shape_audit.hub import with_retries
from shape_audit.leaderboard.build.board_folder import RenderedBoard
from shape_audit.leaderboard.publish.push_plan import PushPlan, RepositoryState, plan_push
from shape_audit.storage import hub_write_errors

REPO_TYPE: Final = "dataset"

T = TypeVar("T")


@dataclass(frozen=True)
class DatasetRepository:
    """A dataset repository by its name, whether it exists or not.

    Attributes:
        api: an `HfApi`.
        retries: of each request, after a transient network error.
    """

    api: Any
    repo_id: str
    retries: int

    @property
    def address(self) -> str:
        """Of its page."""
        return f"{self.api.endpoint}/datasets/{self.repo_id}"

    def state(self) -> RepositoryState | None:
        """The repository as it is now; None where there is none that this token may see."""
        from huggingface_hub.constants import HF_HUB_ETAG_TIMEOUT
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

        def ask() -> RepositoryState | None:
            try:
                info = self.api.dataset_info(self.repo_id, files_metadata=True, timeout=HF_HUB_ETAG_TIMEOUT)
            except GatedRepoError:
                raise
            except RepositoryNotFoundError:
                return None
            hashes = {file.rfilename: file.lfs.sha256 if file.lfs else file.blob_id for file in info.siblings or []}
            return RepositoryState(info.id, info.sha, bool(info.private), hashes)

        return self._ask(ask)

    def refusal(self, state: RepositoryState | None, *, private: bool, create_pr: bool) -> str | None:
        """What speaks against pushing there, though the Hub might allow it."""
        if state is not None:
            if private and not state.private:
                return "exists and is public; make it private in its settings first, or leave out --private"
        elif self._ask(lambda: self.api.repo_exists(self.repo_id, repo_type="model")):
            return "exists on the Hub as a model, not as a dataset; choose another name"
        elif create_pr:
            return "no such dataset to open a pull request on; push it once without --create-pr"
        return None

    def create(self, *, private: bool) -> RepositoryState:
        """Make the repository, with whatever the Hub puts into a new one."""
        self._ask(
            lambda: self.api.create_repo(self.repo_id, repo_type=REPO_TYPE, private=private or None, exist_ok=True)
        )
        state = self.state()
        if state is None:
            raise IncompleteError(f"{self.repo_id}: the Hub has made it, but does not show it; try again later")
        if problem := self.refusal(state, private=private, create_pr=False):  # somebody else has made it meanwhile
            raise IncompleteError(f"{self.repo_id}: {problem}")
        return state

    def commit(
        self, rendered: RenderedBoard, plan: PushPlan, parent: str, *, create_pr: bool
    ) -> tuple[str, str | None]:
        """Carry out a plan on top of `parent`: the commit, and the address of the pull request, if any."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        operations = [
            *(CommitOperationAdd(file.path, rendered.contents[file.path]) for file in plan.upload),
            *(CommitOperationDelete(path, is_folder=False) for path in plan.delete),
        ]
        was_sent = False

        def send() -> tuple[str, str | None]:
            nonlocal was_sent
            if was_sent:  # perhaps only the answer to the first try was lost
                now = self.state()
                if now is not None and plan_push(rendered, now, repo_id=self.repo_id).is_empty:
                    return now.revision, None
            was_sent = True
            done = self.api.create_commit(
                self.repo_id, operations, repo_type=REPO_TYPE, create_pr=create_pr, parent_commit=parent,
                commit_message=f"Leaderboard of {len(rendered.board.rows)} models",
                commit_description=f"Manifest sha256: {rendered.board.manifest_sha256}",
            )  # fmt: skip
            return done.oid, done.pr_url

        # A second try could open a second pull request.
        return self._ask(send, retries=0 if create_pr else self.retries)

    def _ask(self, call: Callable[[], T], retries: int | None = None) -> T:
        with hub_write_errors(self.repo_id):
            return with_retries(call, self.retries if retries is None else retries)
