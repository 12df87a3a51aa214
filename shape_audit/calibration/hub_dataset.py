"""A text column of a dataset on the Hub, streamed: only as much is downloaded as is read.

The revision is resolved to a commit sha once. The text that was read is kept in the Hub's assets cache
(`<assets>/shape-audit/texts/<repo>/`), so that an audit on it runs again without a network.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shape_audit.calibration.local_texts import no_such_column
from shape_audit.calibration.text import MAX_TEXT_BYTES, CalibrationText, HubDataset, row_bytes
from shape_audit.errors import IncompleteError, ShapeAuditError, UsageError, explained
from shape_audit.hub import quiet_datasets, watched_session, watching, with_retries
from shape_audit.loader import dataset_configs, dataset_splits, rows_of_dataset
from shape_audit.records import write_text_atomically

if TYPE_CHECKING:
    from huggingface_hub.hf_api import DatasetInfo

DEFAULT_REVISION = "main"
MOST_TRAFFIC = 256 * MAX_TEXT_BYTES
"""Bytes that may come in for a text: of a table, groups of rows come whole, and with all columns."""
MOST_SECONDS = 3600.0
"""Of waiting for them."""


def read_hub_dataset(named: HubDataset, *, column: str, split: str | None, retries: int) -> CalibrationText:
    """The first `MAX_TEXT_BYTES` of a text column, whole rows.

    Raises:
        UsageError: no such config, split or column; those there are are listed.
        IncompleteError: not found, gated, offline and not kept, network, or an empty column.
    """
    try:
        return _read(named, column, split, retries)
    except ShapeAuditError:
        raise
    except Exception as error:
        ours = explained(error, f"dataset {named.repo_id}")
        if ours is None:
            reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            ours = IncompleteError(f"dataset {named.repo_id}: datasets cannot read it: {reason[:200]}")
        raise ours from error


def _read(named: HubDataset, column: str, split: str | None, retries: int) -> CalibrationText:
    from huggingface_hub import cached_assets_path
    from huggingface_hub.constants import is_offline_mode

    asked = {"config": named.config, "revision": named.revision or DEFAULT_REVISION, "split": split, "column": column}
    folder = Path(cached_assets_path("shape-audit", namespace="texts", subfolder=named.repo_id.replace("/", "--")))
    key = hashlib.sha256(json.dumps([asked, MAX_TEXT_BYTES]).encode()).hexdigest()[:16]
    kept, facts_file = folder / f"{key}.txt", folder / f"{key}.json"
    if is_offline_mode():
        if not (kept.exists() and facts_file.exists()):
            raise IncompleteError(
                f"dataset {named.repo_id}: not in the cache, and offline mode is on. Run once without HF_HUB_OFFLINE"
            )
        return _text(named, json.loads(facts_file.read_text(encoding="utf-8")), column, kept)
    info = _info(named, retries)
    if facts_file.exists() and kept.exists():
        facts = json.loads(facts_file.read_text(encoding="utf-8"))
        if facts["revision"] == info.sha:
            return _text(named, facts, column, kept)
    try:
        with quiet_datasets(), watched_session(f"dataset {named.repo_id}", size=MOST_TRAFFIC, seconds=MOST_SECONDS):
            facts, content = with_retries(lambda: _stream(named, str(info.sha), column, split), retries)
    except FileNotFoundError as error:  # what `datasets` makes of a refusal
        if not info.gated:
            raise
        raise IncompleteError(
            f"dataset {named.repo_id}: gated. Accept its terms on its Hub page, then log in with `hf auth login` "
            "(or set HF_TOKEN)"
        ) from error
    write_text_atomically(kept, content.decode("utf-8"))
    write_text_atomically(facts_file, json.dumps(facts))
    return _text(named, facts, column, kept)


def revision_now(named: HubDataset, retries: int) -> str | None:
    """The commit that the dataset's revision means; None offline."""
    from huggingface_hub.constants import is_offline_mode

    if is_offline_mode():
        return None
    info = _info(named, retries)
    return str(info.sha)


def _info(named: HubDataset, retries: int) -> DatasetInfo:
    """What the Hub says of the dataset at its revision."""
    from huggingface_hub import HfApi
    from huggingface_hub.constants import HF_HUB_DOWNLOAD_TIMEOUT

    def ask() -> DatasetInfo:
        return HfApi().dataset_info(named.repo_id, revision=named.revision, timeout=HF_HUB_DOWNLOAD_TIMEOUT)

    return with_retries(watching(f"what the Hub says of dataset {named.repo_id}", ask), retries)


def _text(named: HubDataset, facts: dict[str, Any], column: str, kept: Path) -> CalibrationText:
    return CalibrationText(
        dataset=named.repo_id,
        content=kept.read_bytes(),
        config=facts["config"],
        revision=facts["revision"],
        split=facts["split"],
        column=column,
    )


def _stream(named: HubDataset, sha: str, column: str, split: str | None) -> tuple[dict[str, Any], bytes]:
    """The facts of what is read, and its bytes."""
    configs = dataset_configs(named.repo_id, sha)
    config = _chosen(named.config, configs, ("default",), f"dataset {named.repo_id}: config", ":config")
    splits = dataset_splits(named.repo_id, config, sha)
    split = _chosen(split, splits, ("test",), f"dataset {named.repo_id}: split", "--split")
    rows = rows_of_dataset(named.repo_id, config, split=split, revision=sha, streaming=True)
    content = _column(rows, column, f"dataset {named.repo_id}")
    return {"config": config, "revision": sha, "split": split}, content


def _chosen(asked: str | None, there: list[str], preferred: tuple[str, ...], what: str, how: str) -> str:
    """What was asked for, else the preferred one, else the only one."""
    if asked is not None and asked in there:
        return asked
    if asked is None:
        only = there[:1] if len(there) == 1 else []
        for name in (*preferred, *only):
            if name in there:
                return name
    listed = ", ".join(sorted(there)[:20]) + (" ..." if there[20:] else "")
    problem = f"no {asked!r}" if asked is not None else f"several, choose one with {how}"
    raise UsageError(f"{what}: {problem}; there are: {listed or 'none'}")


def _column(rows: Iterable[dict[str, Any]], column: str, where: str) -> bytes:
    """Whole rows of a column until `MAX_TEXT_BYTES` are reached."""
    content = bytearray()
    for row in rows:
        value = row.get(column)
        if column not in row or not (value is None or isinstance(value, str)):
            texts = [key for key, other in row.items() if isinstance(other, str)]
            raise no_such_column(where, column, texts, holds_other=column in row)
        if value is not None:
            content += row_bytes(value)
        if len(content) >= MAX_TEXT_BYTES:
            break
    if not content.strip():
        raise IncompleteError(f"{where}: column {column} is empty")
    return bytes(content)
