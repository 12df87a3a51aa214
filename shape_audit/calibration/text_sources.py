"""What --dataset may name: the one door to all sources of text."""

from __future__ import annotations

import os
import re
from pathlib import Path

from shape_audit.calibration import local_texts
from shape_audit.calibration.text import CalibrationText, HubDataset, check_size, joined_rows
from shape_audit.errors import IncompleteError, UsageError

PYTHON_DOCS = "builtin:python-docs"

_HUB_DATASET = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?::(?P<config>[^@]+))?(?:@(?P<revision>.+))?", re.ASCII)


READABLE = ".txt, .jsonl, .csv, .tsv or .parquet file"


def hub_dataset_named(dataset: str) -> HubDataset | None:
    """The Hub dataset that a name means; None where it means a text here, there or not."""
    path = Path(os.path.expanduser(dataset))
    match = _HUB_DATASET.fullmatch(dataset)
    if match is None or dataset.startswith(".") or local_texts.kind_of(path) or os.path.exists(path):
        return None
    return HubDataset(match["repo"], match["config"], match["revision"])


def read_text(
    dataset: str | os.PathLike[str] = PYTHON_DOCS,
    *,
    column: str | None = None,
    split: str | None = None,
    retries: int = 0,
) -> CalibrationText:
    """Read a calibration text.

    Args:
        dataset: `builtin:python-docs`; the path of a .txt (UTF-8, taken byte by byte), .jsonl, .csv, .tsv or .parquet
            file, all but the last also compressed (.gz, .bz2, .xz); a folder of such files, which are read in the
            order of their names; or `org/name[:config][@revision]` on the Hub, of which the first `MAX_TEXT_BYTES` are
            read.
        column: the text column of a table; `text` where it is not given.
        split: of a Hub dataset; where it is not given, `test`, else the only one there is.
        retries: how often to retry after a transient network error.

    Raises:
        UsageError: no such built-in text, an ending this cannot read, a column, config or split that is not there.
        IncompleteError: cannot be read, or the column is empty.
        CorruptFileError: not UTF-8, or not what its ending says.
    """
    dataset = os.fspath(dataset)
    if dataset == PYTHON_DOCS:
        return CalibrationText(dataset=PYTHON_DOCS, content=joined_rows(local_texts.python_docs()))
    if dataset.startswith("builtin:"):
        raise UsageError(f"{dataset}: no such built-in text; there is {PYTHON_DOCS}")
    path = Path(os.path.expanduser(dataset))
    if dataset and os.path.exists(path):
        if split is not None:
            raise UsageError(f"{dataset}: --split is for datasets of the Hub")
        return _read_local(path, dataset, column)
    named = hub_dataset_named(dataset)
    if named is None:
        raise IncompleteError(_why_not_there(dataset))
    from shape_audit.calibration.hub_dataset import read_hub_dataset

    return read_hub_dataset(named, column=column or "text", split=split, retries=retries)


def _why_not_there(dataset: str) -> str:
    parts = [part for part in dataset.replace(",", " ").split() if os.path.exists(os.path.expanduser(part))]
    if len(parts) > 1 or any(sign in dataset for sign in "*?["):
        return f"{dataset}: no such file; --dataset takes one, or a folder: put several files into one of their own"
    return (
        f"{dataset}: no such file; --dataset takes {PYTHON_DOCS}, a {READABLE}, a folder of them, "
        "or org/name[:config] on the Hub"
    )


def _read_local(path: Path, dataset: str, column: str | None) -> CalibrationText:
    """A file, or all files of a folder that can be read."""
    files = [path]
    if path.is_dir():
        inside = (file for file in path.rglob("*") if not _is_hidden(file.relative_to(path)))
        files = sorted(file for file in inside if file.is_file() and local_texts.kind_of(file))
        if not files:
            raise IncompleteError(f"{dataset}: a folder without any {READABLE}")
    elif not path.is_file():
        raise UsageError(f"{dataset}: neither a file nor a folder")
    kinds = {local_texts.kind_of(file) for file in files}
    if None in kinds:
        raise UsageError(f"{dataset}: its ending is none that can be read; it must be a {READABLE}")
    is_table = kinds != {".txt"}
    if column is not None and not is_table:
        raise UsageError(f"{dataset}: --text-column is for tables")
    column = (column or "text") if is_table else None
    content = bytearray()
    for file in files:
        content += _content(file, column, is_alone=len(files) == 1)
        check_size(content)
    if not content.strip():
        raise IncompleteError(f"{path}: column {column} is empty" if column else f"{path}: holds no text")
    return CalibrationText(dataset=Path(os.path.abspath(path)).name, content=bytes(content), column=column)


def _content(file: Path, column: str | None, *, is_alone: bool) -> bytes:
    """The text of a file; where others follow, it ends in a line end."""
    reader = local_texts.READERS.get(str(local_texts.kind_of(file)))
    if reader is not None:
        assert column is not None
        return joined_rows(reader(file, column))
    content = local_texts.plain_text(file)
    return content if is_alone or content.endswith((b"\n", b"\r")) else content + b"\n"


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
