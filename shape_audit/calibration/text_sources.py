"""What --dataset may name: the one door to all sources of text."""

from __future__ import annotations

import os
import re
from pathlib import Path

from shape_audit.calibration import local_texts
from shape_audit.calibration.text import CalibrationText, HubDataset, joined_rows
from shape_audit.errors import IncompleteError, UsageError

PYTHON_DOCS = "builtin:python-docs"

_HUB_DATASET = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?::(?P<config>[^@]+))?(?:@(?P<revision>.+))?", re.ASCII)


def hub_dataset_named(dataset: str) -> HubDataset | None:
    """The Hub dataset that a name means; None where it means a text here, there or not."""
    path = Path(os.path.expanduser(dataset))
    match = _HUB_DATASET.fullmatch(dataset)
    if match is None or dataset.startswith(".") or path.suffix in (".txt", *local_texts.READERS) or path.is_file():
        return None
    return HubDataset(match["repo"], match["config"], match["revision"])


def read_text(
    dataset: str = PYTHON_DOCS, *, column: str | None = None, split: str | None = None, retries: int = 0
) -> CalibrationText:
    """Read a calibration text.

    Args:
        dataset: `builtin:python-docs`; the path of a .txt (UTF-8, taken byte by byte), .jsonl or .parquet file; or
            `org/name[:config][@revision]` on the Hub, of which the first `MAX_TEXT_BYTES` are read.
        column: the text column of a table; `text` where it is not given.
        split: of a Hub dataset; where it is not given, `test`, else the only one there is.
        retries: how often to try again after a passing fault of the network.

    Raises:
        UsageError: no such built-in text, an ending this cannot read, a column, config or split that is not there.
        IncompleteError: cannot be read, or the column is empty.
        CorruptFileError: not UTF-8, not parquet, not JSON Lines.
    """
    if dataset == PYTHON_DOCS:
        return CalibrationText(dataset=PYTHON_DOCS, content=joined_rows(local_texts.python_docs()))
    if dataset.startswith("builtin:"):
        raise UsageError(f"{dataset}: no such built-in text; there is {PYTHON_DOCS}")
    path = Path(os.path.expanduser(dataset))
    if not os.path.isfile(path):
        named = hub_dataset_named(dataset)
        if named is None:
            raise IncompleteError(
                f"{dataset}: no such file; --dataset takes {PYTHON_DOCS}, a .txt, .jsonl or .parquet file, "
                "or org/name[:config] on the Hub"
            )
        from shape_audit.calibration.hub_dataset import read_hub_dataset

        return read_hub_dataset(named, column=column or "text", split=split, retries=retries)
    if split is not None:
        raise UsageError(f"{dataset}: --split is for datasets of the Hub")
    if path.suffix == ".txt":
        if column is not None:
            raise UsageError(f"{dataset}: --text-column is for tables")
        content = local_texts.plain_text(path)
        if not content.strip():
            raise IncompleteError(f"{path}: holds no text")
        return CalibrationText(dataset=path.name, content=content)
    if path.suffix not in local_texts.READERS:
        raise UsageError(f"{dataset}: not a .txt, .jsonl or .parquet file")
    column = column or "text"
    content = joined_rows(local_texts.READERS[path.suffix](path, column))
    if not content.strip():
        raise IncompleteError(f"{path}: column {column} is empty")
    return CalibrationText(dataset=path.name, content=content, column=column)
