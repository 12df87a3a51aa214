"""A rendered leaderboard -> a dataset repository on the Hub.

All of it is one commit on top of the one that was looked at: readers see the board before or the board after, and
whoever else has pushed meanwhile is not overwritten. A push that is cut off has changed nothing that a reader sees,
and can simply be run again: what has not changed is not sent a second time.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from shape_audit.errors import IncompleteError, ShapeAuditError, UsageError
from shape_audit.hub import quiet_downloads
from shape_audit.leaderboard.build.board_folder import CARD_FILE, CSV_FILE, RenderedBoard, is_board_path, read_rendered
from shape_audit.leaderboard.page.card_check import check_dataset_card
from shape_audit.leaderboard.page.tables import csv_text
from shape_audit.leaderboard.publish.dataset_repository import DatasetRepository
from shape_audit.leaderboard.publish.options import PushOptions
from shape_audit.leaderboard.publish.push_plan import PushPlan, PushResult, plan_push
from shape_audit.places import Url, place_of
from shape_audit.storage import working_copy


def push(folder: Path | Url | str, repo_id: str, options: PushOptions | None = None, **changes: Any) -> PushResult:
    """Upload a rendered leaderboard to a Hub dataset repository, in one commit or as one pull request.

    Sent are the files a board has (README.md, table.parquet, table.csv, index.html, board.json, sources.json,
    leaderboard.toml, records/*.json, figures/*), each only where it differs. What the repository has under those names
    and the board no longer has is deleted there. Nothing else is sent or touched.

    Args:
        folder: as `leaderboard render` leaves it, here or at a URL.
        repo_id: `org/name`; made where it does not exist.
        options: or single options by name, see `PushOptions`.

    Raises:
        UsageError: `repo_id` is no possible name.
        CorruptFileError, IncompleteError: the folder is no rendered board; there is no token; the repository is
            public and `private` was asked for, or is a model; the Hub does not do what it was asked for.
        huggingface_hub errors, httpx2 errors: see `errors.FOREIGN`.
    """
    from huggingface_hub import HfApi, get_token

    options = PushOptions.given(options, changes, "push()")
    _check_name(repo_id)
    with working_copy(folder, is_board_path) as copy:
        rendered = read_rendered(copy.folder)
    folder = place_of(folder)
    if rendered.contents.get(CSV_FILE, b"") != csv_text(rendered.board).encode():  # the cheapest file to tell it by
        raise IncompleteError(f"{folder}: {CSV_FILE} is not what board.json gives; run shape-audit leaderboard render")
    check_dataset_card(rendered.contents[CARD_FILE], file=f"{folder}/{CARD_FILE}", paths=rendered.contents)
    repository = DatasetRepository(HfApi(), repo_id, options.retries)
    private, create_pr = options.private, options.create_pr
    if options.dry_run:
        plan = _dry_plan(repository, rendered, private=private, create_pr=create_pr)
        return PushResult(plan, True, repository.address)
    if get_token() is None:
        raise IncompleteError(f"{repo_id}: no token to push with. Log in with `hf auth login`, or set HF_TOKEN")
    state = repository.state()
    if problem := repository.refusal(state, private=private, create_pr=create_pr):
        raise IncompleteError(f"{repo_id}: {problem}")
    plan = plan_push(rendered, state, repo_id=repo_id)
    repository = replace(repository, repo_id=plan.repo_id)
    if plan.is_empty:
        return PushResult(plan, False, repository.address)
    with quiet_downloads():
        parent = (state or repository.create(private=private)).revision
        commit, pull_request = repository.commit(rendered, plan, parent, create_pr=create_pr)
    return PushResult(plan, False, repository.address, commit, pull_request)


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


def _dry_plan(repository: DatasetRepository, rendered: RenderedBoard, *, private: bool, create_pr: bool) -> PushPlan:
    """The plan as far as it can be known; what would stop a push is a note."""
    try:
        state = repository.state()
        problem = repository.refusal(state, private=private, create_pr=create_pr)
    except ShapeAuditError as error:
        note = f"not compared with what is there, so all files are listed ({error})"
        return replace(plan_push(rendered, None, repo_id=repository.repo_id), repository="not seen", notes=(note,))
    notes = (f"{repository.repo_id}: {problem}",) if problem else ()
    return replace(plan_push(rendered, state, repo_id=repository.repo_id), notes=notes)
