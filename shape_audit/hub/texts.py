"""Small text files of a model's repository: its card, and what lies in folders that begin with a dot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shape_audit.errors import CorruptFileError, IncompleteError
from shape_audit.hub.checkpoint import Checkpoint
from shape_audit.hub.downloads import download_files
from shape_audit.hub.names import parse_model_name
from shape_audit.hub.retrying import DEFAULT_RETRIES
from shape_audit.records import read_small_file

MAX_TEXT = 2**20
MAX_TEXTS = 50


@dataclass(frozen=True)
class ModelTexts:
    """Texts by file name, at one revision; of a folder that is None."""

    repo_id: str
    revision: str | None
    texts: dict[str, str]


def read_texts(name: str, wanted: Callable[[str], bool], *, retries: int = DEFAULT_RETRIES) -> ModelTexts:
    """The files of a model whose names are wanted; those that are too large or no text are left out.

    Raises:
        UsageError: `name` is no possible name.
        IncompleteError: not found, gated, offline, no such folder.
        huggingface_hub and httpx2 errors: see `errors.FOREIGN`.
    """
    model = parse_model_name(name)
    if model.source == "hub":
        from shape_audit.hub.hub_repository import HubFiles

        files = HubFiles.of(model, retries)
        names = sorted(file for file, size in files.sizes.items() if wanted(file) and (size or 0) <= MAX_TEXT)
        return ModelTexts(files.repo_id, files.revision, _texts(names, files.read))
    folder = model.folder
    assert folder is not None
    names = [
        path.relative_to(folder).as_posix() for path in (*folder.glob("*"), *folder.glob(".*/*")) if path.is_file()
    ]
    return ModelTexts(
        model.repo_id,
        None,
        _texts(sorted(filter(wanted, names)), lambda file: read_small_file(folder / file, limit=MAX_TEXT)),
    )


def texts_of(checkpoint: Checkpoint, wanted: Callable[[str], bool], *, retries: int = DEFAULT_RETRIES) -> ModelTexts:
    """The same of a checkpoint that has been read: no request where the repository has no such file, else one a file,
    at its commit, into the Hub's cache.

    Raises:
        IncompleteError: offline, and not in the cache.
        huggingface_hub and httpx2 errors: see `errors.FOREIGN`.
    """
    names = sorted(filter(wanted, checkpoint.files))[:MAX_TEXTS]
    if not names:
        return ModelTexts(checkpoint.repo_id, checkpoint.revision, {})
    folder = download_files(checkpoint.repo_id, checkpoint.revision, names, retries=retries)
    texts = _texts(names, lambda file: read_small_file(folder / file, limit=MAX_TEXT))
    return ModelTexts(checkpoint.repo_id, checkpoint.revision, texts)


def _texts(names: list[str], read: Callable[[str], bytes]) -> dict[str, str]:
    found = {}
    for name in names[:MAX_TEXTS]:
        try:
            found[name] = read(name).decode("utf-8")
        except (UnicodeDecodeError, CorruptFileError, IncompleteError):
            continue
    return found
