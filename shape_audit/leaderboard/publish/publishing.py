"""A rendered leaderboard -> a dataset repository on the Hub.

All of it is one commit on top of the one that was looked at: readers see the board before or the board after, and
whoever else has pushed meanwhile is not overwritten. A push that is cut off has changed nothing that a reader sees,
and can simply be run again: what has not changed is not sent a second time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from shape_audit.errors import IncompleteError, UsageError, explained
from shape_audit.hub import DEFAULT_RETRIES, with_retries
from shape_audit.leaderboard.build.board_folder import CARD_FILE, CSV_FILE, RenderedBoard, read_rendered
from shape_audit.leaderboard.page.card_check import check_dataset_card
from shape_audit.leaderboard.page.tables import csv_text
from shape_audit.leaderboard.publish.push_failures import in_words_of_a_push
from shape_audit.leaderboard.publish.push_plan import PushPlan, PushResult, RepositoryState, plan_push

REPO_TYPE: Final = "dataset"


def push(
    folder: Path | str,
    repo_id: str,
    *,
    private: bool = False,
    create_pr: bool = False,
    dry_run: bool = False,
    retries: int = DEFAULT_RETRIES,
) -> PushResult:
    """Upload a rendered leaderboard to a Hub dataset repository, in one commit or as one pull request.

    Sent are the files a board has (README.md, table.parquet, table.csv, index.html, board.json, sources.json,
    leaderboard.toml, records/*.json, figures/*), each only where it differs. What the repository has under those names
    and the board no longer has is deleted there. Nothing else is sent or touched.

    Args:
        folder: as `leaderboard render` leaves it.
        repo_id: `org/name`; made where it does not exist.
        private: make a new repository private. Without it the namespace's own default holds. An existing public
            repository is refused: it would show what was meant to be private.
        create_pr: open a pull request instead of committing to main; the repository must exist.
        dry_run: only say what would be done. The repository is looked at (requests that read) and compared where it
            can be; where it cannot (no network, offline mode, no access), all files are listed, and a note says why.
        retries: tries again after a passing fault of the network.

    Raises:
        UsageError: `repo_id` is no possible name.
        CorruptFileError, IncompleteError: the folder is no rendered board; there is no token; the repository is
            public and `private` was asked for, or is a model; the Hub does not do what it was asked for.
        huggingface_hub errors, httpx2 errors: see `errors.FOREIGN`.
    """
    from huggingface_hub import HfApi, get_token

    _check_name(repo_id)
    rendered = read_rendered(Path(folder))
    if rendered.contents.get(CSV_FILE, b"") != csv_text(rendered.board).encode():  # the cheapest file to tell it by
        raise IncompleteError(f"{folder}: {CSV_FILE} is not what board.json gives; run shape-audit leaderboard render")
    check_dataset_card(rendered.contents[CARD_FILE], file=f"{folder}/{CARD_FILE}", paths=rendered.contents)
    api = HfApi()
    if dry_run:
        return PushResult(_dry_plan(api, rendered, repo_id, retries, private, create_pr), True, _address(api, repo_id))
    _check_online(repo_id)
    if get_token() is None:
        raise IncompleteError(f"{repo_id}: no token to push with. Log in with `hf auth login`, or set HF_TOKEN")
    state = _look(api, repo_id, retries)
    for problem in _problems(api, repo_id, state, retries, private=private, create_pr=create_pr):
        raise IncompleteError(problem)
    plan = plan_push(rendered, repo_id, state, is_seen=True)
    if plan.is_empty:
        return PushResult(plan, False, _address(api, plan.repo_id))
    if state is None:
        state = _made(api, repo_id, private, retries)
    return _send(api, rendered, plan, state, create_pr=create_pr, retries=retries)


def _check_name(repo_id: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo_id)
        is_possible = repo_id.count("/") == 1 and not repo_id.startswith("/")
    except HFValidationError:
        is_possible = False
    if not is_possible:
        raise UsageError(f"{repo_id}: not a possible name of a dataset on the Hub; give org/name")


def _check_online(repo_id: str) -> None:
    from huggingface_hub.constants import is_offline_mode

    if is_offline_mode():
        raise IncompleteError(f"{repo_id}: offline mode is on. Push without HF_HUB_OFFLINE")


def _dry_plan(
    api: Any, rendered: RenderedBoard, repo_id: str, retries: int, private: bool, create_pr: bool
) -> PushPlan:
    """The plan as far as it can be known; what would stop a push is a note."""
    try:
        _check_online(repo_id)
        state = _look(api, repo_id, retries)
        notes = _problems(api, repo_id, state, retries, private=private, create_pr=create_pr)
    except Exception as error:
        known = explained(error, repo_id)
        if known is None:
            raise
        note = f"not compared with what is there, so all files are listed ({known})"
        return plan_push(rendered, repo_id, None, is_seen=False, notes=(note,))
    return plan_push(rendered, repo_id, state, is_seen=True, notes=tuple(notes))


def _look(api: Any, repo_id: str, retries: int) -> RepositoryState | None:
    """The repository as it is now; None where there is none that this token may see."""
    from huggingface_hub.constants import HF_HUB_ETAG_TIMEOUT
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    def ask() -> RepositoryState | None:
        try:
            info = api.dataset_info(repo_id, files_metadata=True, timeout=HF_HUB_ETAG_TIMEOUT)
        except GatedRepoError:
            raise
        except RepositoryNotFoundError:
            return None
        hashes = {file.rfilename: file.lfs.sha256 if file.lfs else file.blob_id for file in info.siblings or []}
        return RepositoryState(info.id, info.sha, bool(info.private), hashes)

    with in_words_of_a_push(repo_id):
        return with_retries(ask, retries)


def _problems(
    api: Any, repo_id: str, state: RepositoryState | None, retries: int, *, private: bool, create_pr: bool
) -> list[str]:
    """What speaks against pushing there, though the Hub might allow it."""
    if state is not None:
        if private and not state.private:
            return [f"{repo_id}: exists and is public; make it private in its settings first, or leave out --private"]
        return []
    with in_words_of_a_push(repo_id):
        if with_retries(lambda: api.repo_exists(repo_id, repo_type="model"), retries):
            return [f"{repo_id}: exists on the Hub as a model, not as a dataset; choose another name"]
    if create_pr:
        return [f"{repo_id}: no such dataset to open a pull request on; push it once without --create-pr"]
    return []


def _made(api: Any, repo_id: str, private: bool, retries: int) -> RepositoryState:
    """A new repository, with whatever the Hub puts into one."""

    def make() -> None:
        api.create_repo(repo_id, repo_type=REPO_TYPE, private=private or None, exist_ok=True)

    with in_words_of_a_push(repo_id):
        with_retries(make, retries)
    state = _look(api, repo_id, retries)
    if state is None:
        raise IncompleteError(f"{repo_id}: the Hub has made it, but does not show it; try again later")
    if private and not state.private:  # somebody else has made it meanwhile
        raise IncompleteError(f"{repo_id}: is public, though it was to be made private; nothing was sent")
    return state


def _send(
    api: Any, rendered: RenderedBoard, plan: PushPlan, state: RepositoryState, *, create_pr: bool, retries: int
) -> PushResult:
    """Upload large files, then make the commit."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    repo_id = state.repo_id
    additions = [CommitOperationAdd(file.path, rendered.contents[file.path]) for file in plan.upload]
    deletions = [CommitOperationDelete(path, is_folder=False) for path in plan.delete]
    with in_words_of_a_push(repo_id):
        # Seen by nobody until a commit names them; the client tries again by itself.
        api.preupload_lfs_files(repo_id, additions=additions, repo_type=REPO_TYPE, create_pr=create_pr)
    tries = 0

    def commit() -> tuple[str, str | None]:
        nonlocal tries
        tries += 1
        if tries > 1:  # perhaps only the answer to the first try was lost
            now = _look(api, repo_id, retries)
            if now is not None and plan_push(rendered, repo_id, now, is_seen=True).is_empty:
                return now.revision, None
        done = api.create_commit(
            repo_id, [*additions, *deletions], repo_type=REPO_TYPE, create_pr=create_pr, parent_commit=state.revision,
            commit_message=f"Leaderboard of {len(rendered.board.rows)} models",
            commit_description=f"Manifest sha256: {rendered.board.manifest_sha256}",
        )  # fmt: skip
        return done.oid, done.pr_url

    with in_words_of_a_push(repo_id):
        # A second try could open a second pull request.
        made, pull_request = with_retries(commit, 0 if create_pr else retries)
    return PushResult(plan, False, _address(api, repo_id), made, pull_request)


def _address(api: Any, repo_id: str) -> str:
    return f"{api.endpoint}/datasets/{repo_id}"
