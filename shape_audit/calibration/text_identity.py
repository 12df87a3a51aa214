"""Whether the text of a record is the one that options name, without reading it again."""

from __future__ import annotations

import re

from shape_audit.calibration.options import WindowOptions
from shape_audit.calibration.text_sources import hub_dataset_named
from shape_audit.records import Calibration

_COMMIT = re.compile("[0-9a-f]{7,40}")


def names_text(wanted: WindowOptions, made: Calibration, revision: str | None = None) -> bool:
    """Whether windows of these options would be cut from the text that `made` describes.

    Args:
        revision: the commit that a Hub dataset's revision means now, see `dataset_revision`; None where that is not
            known. Then a branch or tag that was asked for by name is not taken for what the record has.
    """
    if wanted.windows_file is not None:
        return False
    if wanted.text_column is not None and wanted.text_column != made.column:
        return False
    named = hub_dataset_named(wanted.dataset)
    if named is None:
        return made.revision is None and made.dataset in (wanted.dataset, wanted.dataset.rstrip("/").rpartition("/")[2])
    if made.dataset != named.repo_id or made.revision is None:
        return False
    if named.config not in (None, made.config) or wanted.split not in (None, made.split):
        return False
    if revision is not None:
        return made.revision == revision
    return named.revision is None or bool(
        _COMMIT.fullmatch(named.revision) and made.revision.startswith(named.revision)
    )


def dataset_revision(wanted: WindowOptions, *, retries: int) -> str | None:
    """The commit that a Hub dataset's revision means now; None of other texts, and where the Hub cannot be asked.

    Raises:
        huggingface_hub and httpx2 errors: see `errors.FOREIGN`.
    """
    named = hub_dataset_named(wanted.dataset)
    if named is None:
        return None
    from shape_audit.calibration.hub_dataset import revision_now

    return revision_now(named, retries)
