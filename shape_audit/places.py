"""Where records and boards lie: a folder here, or a folder elsewhere by its URL; open to all."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import unquote

from shape_audit.errors import UsageError

PROTOCOLS = {
    "hf": "huggingface_hub",
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "memory": "fsspec",
}
"""Protocol -> the package that speaks it. Only where a file is replaced whole or not at all: a commit, an object."""
HERE = "file"
_URL = re.compile(r"([A-Za-z][\w+.:-]*)://(.*)", re.DOTALL)
_PASSWORD = re.compile(r"[^/@:]*:.*@", re.DOTALL)


@dataclass(frozen=True)
class Url:
    """A folder elsewhere. It holds no secret, so it may be shown.

    Attributes:
        protocol: in lower case: `hf`, `s3`.
        path: what stands after `://`.
    """

    protocol: str
    path: str

    def __str__(self) -> str:
        return f"{self.protocol}://{self.path}"

    def __truediv__(self, name: str) -> Url:
        return Url(self.protocol, f"{self.path}/{name}")


Place: TypeAlias = Url | Path


def is_url(text: object) -> bool:
    """Whether a text names a place by URL."""
    return isinstance(text, str) and _URL.fullmatch(text) is not None


def place_of(given: str | os.PathLike[str] | Url) -> Place:
    """The place that a user means; `file://` is a folder here.

    Raises:
        UsageError: a URL of a protocol by which nothing can be kept, without a folder, or with a password in it.
    """
    if isinstance(given, Url):
        return given
    found = _URL.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        return Path(given).expanduser()
    protocol, rest = found[1].lower(), found[2].rstrip("/")
    if protocol == HERE:
        path = unquote(rest.removeprefix("localhost"))
        if not path.startswith("/"):
            raise UsageError(f"{given}: file:// takes an absolute path, as file:///data/records")
        return Path(path)
    if protocol not in PROTOCOLS:
        known = ", ".join(f"{name}://" for name in (HERE, *PROTOCOLS))
        raise UsageError(f"{protocol}://: not a place where records can be kept; those are {known}")
    if not rest.strip("/"):
        raise UsageError(f"{protocol}://: it names no folder")
    if "?" in rest or _PASSWORD.match(rest):  # neither of which is repeated here
        raise UsageError(
            f"{protocol}://: a password or signature in the address would be seen in logs; leave it out: "
            f"{PROTOCOLS[protocol]} finds credentials in its own settings"
        )
    return Url(protocol, rest)


def assets_folder(kind: Literal["records", "scores", "copies"]) -> Path:
    """The folder of this program for one kind of file, in the Hub's assets cache; it may not exist yet.

    Worked out here, because huggingface_hub is not loaded for a local folder.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
    home = os.environ.get("HF_HOME") or os.path.join(cache, "huggingface")
    assets = os.environ.get("HF_ASSETS_CACHE") or os.path.join(home, "assets")
    return Path(os.path.expanduser(os.path.expandvars(assets))) / "shape-audit" / kind
