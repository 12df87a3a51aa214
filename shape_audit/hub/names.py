"""What a user may type for MODEL, and what it means.

org/name  org/name@revision  https://huggingface.co/org/name/tree/revision  ./folder  builtin:NAME
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from shape_audit.errors import IncompleteError, UsageError
from shape_audit.hub.builtin_models import builtin_folder

Source = Literal["hub", "folder", "builtin"]

_HUB_HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


@dataclass(frozen=True)
class ModelName:
    """A name, understood.

    Attributes:
        repo_id: `org/name`, the folder's own name, or `builtin:NAME`.
        revision: as asked for; None means the default branch. Only for Hub names.
        folder: where the files lie; None for Hub names.
        subfolder: of the repository or folder, with `/`; empty for its root.
        variant: of the weight files: `fp16` for model.fp16.safetensors.
        notes: what the user should know about how the name was read.
    """

    repo_id: str
    source: Source
    revision: str | None = None
    folder: Path | None = None
    subfolder: str = ""
    variant: str | None = None
    notes: tuple[str, ...] = ()

    def placed(self, subfolder: str | None, variant: str | None) -> ModelName:
        """The same name, with the place of its files inside the repository.

        Raises:
            UsageError: the subfolder leads out of the repository, or the variant is no possible part of a file name.
        """
        parts = [part for part in (subfolder or "").split("/") if part not in ("", ".")]
        if ".." in parts or (subfolder or "").startswith(("/", "~")):
            raise UsageError(f"--subfolder {subfolder}: must be a folder inside the repository")
        if variant is not None and not re.fullmatch(r"[\w-]+", variant, re.ASCII):
            raise UsageError(f"--variant {variant}: not a possible part of a file name")
        return replace(self, subfolder="/".join(parts), variant=variant)


def is_offline() -> bool:
    """Whether the Hub may not be asked (HF_HUB_OFFLINE)."""
    from huggingface_hub.constants import is_offline_mode

    return bool(is_offline_mode())


def parse_model_name(text: str) -> ModelName:
    """Understand MODEL without any network. A folder wins over a Hub repository of the same name.

    Raises:
        UsageError: the text is no possible name.
        IncompleteError: it names a folder or built-in model that does not exist.
    """
    if text.startswith("builtin:"):
        return ModelName(repo_id=text, source="builtin", folder=builtin_folder(text.removeprefix("builtin:")))
    if not text.strip() or "\0" in text:
        raise UsageError("MODEL is empty; give org/name, a folder, or builtin:NAME")
    path = os.path.expanduser(text)
    if os.path.isdir(path):
        return _folder(text, Path(path))
    if os.path.isfile(path):
        raise UsageError(f"{text}: a file; give the folder that holds config.json and the safetensors files")
    if text.startswith((".", "/", "~")) or "\\" in text:
        raise IncompleteError(f"{text}: no such folder")
    if text.startswith(("https://", "http://")):
        return _hub_url(text)
    repo_id, _, revision = text.partition("@")
    return _hub_name(text, repo_id, revision if "@" in text else None)


def _folder(text: str, path: Path) -> ModelName:
    notes: tuple[str, ...] = ()
    if _HUB_NAME.fullmatch(text):
        notes = (f"{text} is a folder here: it was read, not a Hub repository of that name",)
    name = os.fsencode(path.resolve().name).decode("utf-8", "replace")  # a file system's name need not be text
    return ModelName(repo_id=name or "model", source="folder", folder=path, notes=notes)


def _hub_url(text: str) -> ModelName:
    """org/name and revision from the address of a model's page."""
    try:
        address, endpoint = urlsplit(text), urlsplit(os.environ.get("HF_ENDPOINT", ""))
    except ValueError as error:
        raise UsageError(f"{text}: it, or HF_ENDPOINT, is not a possible address ({error})") from error
    if address.netloc not in {*_HUB_HOSTS, endpoint.netloc}:
        raise UsageError(f"{text}: not an address of the Hub")
    parts = [unquote(part) for part in address.path.split("/") if part]
    if len(parts) > 3 and parts[2] in ("tree", "blob", "resolve", "commit"):
        return _hub_name(text, "/".join(parts[:2]), parts[3])
    return _hub_name(text, "/".join(parts[:2]), None)


def _hub_name(text: str, repo_id: str, revision: str | None) -> ModelName:
    if not _HUB_NAME.fullmatch(repo_id) or revision == "":
        raise UsageError(f"{text}: neither a folder here nor a possible Hub name (org/name or org/name@revision)")
    return ModelName(repo_id=repo_id, source="hub", revision=revision)
