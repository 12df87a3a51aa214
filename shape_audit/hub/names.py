"""What a user may type for MODEL, and what a result file may call one -> ModelRef.

org/name  org/name@revision  https://huggingface.co/org/name/tree/revision/subfolder  ./folder  builtin:NAME
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from shape_audit.errors import IncompleteError, UsageError
from shape_audit.hub.builtin_models import builtin_folder
from shape_audit.records import ModelRef

_HUB_HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
_PAGES = ("tree", "blob", "resolve", "raw", "commit", "commits", "discussions", "edit", "blame")
"""What may follow a repository's name in an address of the Hub."""
_OTHER_KINDS = ("datasets", "spaces", "collections", "papers", "docs")
_SNAPSHOT = re.compile(r".*/models--(?P<owner>[^/]+?)(--(?P<name>[^/]+))?/snapshots/(?P<sha>[0-9a-f]{40})/?")
"""A model in the Hub's cache, as huggingface_hub lays it out."""
_FINGERPRINT = re.compile("[0-9a-f]{64}")


def is_offline() -> bool:
    """Whether the Hub may not be asked (HF_HUB_OFFLINE)."""
    from huggingface_hub.constants import is_offline_mode

    return bool(is_offline_mode())


def is_hub_name(text: object) -> bool:
    """Whether a repository of the Hub can be called so."""
    return isinstance(text, str) and _HUB_NAME.fullmatch(text) is not None


def parse_model(text: str | Path | ModelRef, *, subfolder: str | None = None, variant: str | None = None) -> ModelRef:
    """Understand MODEL without any network. A folder wins over a Hub repository of the same name.

    Args:
        text: what the user typed; a reference is given back, with the subfolder and variant where there are any.
        subfolder: where the model lies inside the repository or folder.
        variant: weight-file variant: `fp16` for model.fp16.safetensors.

    Raises:
        UsageError: no possible name, the subfolder leads out of the repository, or the variant cannot be part of a
            file name.
        IncompleteError: it names a folder or built-in model that does not exist.
    """
    ref = text if isinstance(text, ModelRef) else _parsed(os.fspath(text))
    if subfolder is None and variant is None:
        return ref
    inside = ref.subfolder if subfolder is None else _subfolder(subfolder)
    if ref.subfolder and inside != ref.subfolder:
        raise UsageError(f"--subfolder {subfolder}: the address names the subfolder {ref.subfolder}; give one of them")
    if variant is not None and not re.fullmatch(r"[\w-]+", variant, re.ASCII):
        raise UsageError(f"--variant {variant}: not a possible part of a file name")
    return replace(ref, subfolder=inside, variant=variant or ref.variant)


def model_named(
    text: str,
    *,
    revision: str | None = None,
    subfolder: str | None = None,
    variant: str | None = None,
    is_here: bool = True,
) -> ModelRef:
    """The model that a result file, a table or a record calls `text`; nothing needs to exist.

    Args:
        text: a Hub name, a path (also one into the Hub's cache, which is the repository's), or `builtin:NAME`.
        revision: where it is known; a fingerprint (64 hex digits) says that the model is a folder or built in.
        is_here: whether a folder of that name, where there is one here, is meant and not a repository.
    """
    inside, path = (subfolder or "").strip("/"), os.path.expanduser(text)
    if text.startswith("builtin:"):
        return ModelRef("builtin", text, revision, inside, variant)
    if snapshot := _SNAPSHOT.fullmatch(path.replace("\\", "/")):
        name = "/".join(filter(None, (snapshot["owner"], snapshot["name"])))
        return ModelRef("hub", name, revision or snapshot["sha"], inside, variant)
    is_folder = (is_here and os.path.isdir(path)) or bool(_FINGERPRINT.fullmatch(revision or ""))
    if not is_folder:
        with suppress(UsageError):
            ref = model_at_hub(text)
            inside = inside or ref.subfolder
            return ModelRef("hub", ref.repo_id, revision or ref.revision, inside, variant, asked=ref.revision)
    root = Path(path) if os.path.isdir(path) or os.sep in text else None
    return ModelRef("folder", Path(path).name or text, revision, inside, variant, root)


def _parsed(text: str) -> ModelRef:
    if text.startswith("builtin:"):
        return ModelRef("builtin", text, root=builtin_folder(text.removeprefix("builtin:")))
    if not text.strip() or "\0" in text:
        raise UsageError("MODEL is empty; give org/name, a folder, or builtin:NAME")
    path = os.path.expanduser(text)
    if os.path.isdir(path):
        return _folder(text, Path(path))
    if os.path.isfile(path):
        raise UsageError(f"{text}: a file; give the folder that holds config.json and the safetensors files")
    if text.startswith((".", "/", "~")) or "\\" in text:
        raise IncompleteError(f"{text}: no such folder")
    return model_at_hub(text)


def model_at_hub(text: str) -> ModelRef:
    """The model of an address or of org/name[@revision]; unlike `parse_model`, this never looks for a folder.

    Raises:
        UsageError: it is neither.
    """
    if text.startswith(("https://", "http://")):
        return _hub_url(text, text)
    if text.partition("/")[0].lower() in _HUB_HOSTS:
        return _hub_url(text, f"https://{text}")
    repo_id, at, revision = text.removeprefix("hf://").partition("@")
    if repo_id.count("/") == 2:
        repo_id = repo_id.removesuffix("/")
    return _hub_ref(text, repo_id, revision if at else None)


def _folder(text: str, path: Path) -> ModelRef:
    notes: tuple[str, ...] = ()
    if _HUB_NAME.fullmatch(text):
        notes = (f"{text} is a folder here: it was read, not a Hub repository of that name",)
    name = os.fsencode(path.resolve().name).decode("utf-8", "replace")  # a file system's name need not be text
    return ModelRef("folder", name or "model", root=path, notes=notes)


def _hub_url(text: str, url: str) -> ModelRef:
    """The model behind the address of a page of its repository: name, revision, and the folder that was looked at."""
    try:
        address, endpoint = urlsplit(url), urlsplit(os.environ.get("HF_ENDPOINT", ""))
    except ValueError as error:
        raise UsageError(f"{text}: it, or HF_ENDPOINT, is not a possible address ({error})") from error
    if address.netloc.lower() not in {*_HUB_HOSTS, endpoint.netloc}:
        raise UsageError(f"{text}: not an address of the Hub")
    parts = [unquote(part) for part in address.path.split("/") if part]
    if parts[:1] == ["models"]:
        parts = parts[1:]
    if parts and parts[0] in _OTHER_KINDS:
        raise UsageError(f"{text}: not a model's page; give org/name of the model")
    page = next((at for at in (1, 2) if parts[at : at + 1] and parts[at] in _PAGES), min(len(parts), 2))
    name, rest = "/".join(parts[:page]), parts[page:]
    if len(rest) < 2 or rest[0] in ("discussions", "commits"):
        return _hub_ref(text, name, None)
    inside = rest[2:] if rest[0] == "tree" else rest[2:-1]
    return _hub_ref(text, name, rest[1], _subfolder("/".join(inside)))


def _hub_ref(text: str, repo_id: str, revision: str | None, subfolder: str = "") -> ModelRef:
    if not _HUB_NAME.fullmatch(repo_id) or revision == "":
        raise UsageError(f"{text}: neither a folder here nor a possible Hub name (org/name or org/name@revision)")
    return ModelRef("hub", repo_id, revision, subfolder)


def _subfolder(text: str) -> str:
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts or text.startswith(("/", "~")):
        raise UsageError(f"--subfolder {text}: must be a folder inside the repository")
    return "/".join(parts)
