"""Which model is meant: the one identity that every room passes on and compares."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

Source = Literal["hub", "folder", "builtin", "memory"]
DEFAULT_BRANCHES = ("main", "HEAD", "refs/heads/main")
_COMMIT = re.compile("[0-9a-f]{7,64}")


@dataclass(frozen=True, eq=False)
class ModelRef:
    """A model, made once from what a user or a file called it; see `hub.parse_model` and `hub.model_named`.

    Two references are equal where `key` is: the Hub's names differ by more than letter case, folders by their resolved
    path. `is_same_model` is the rule for references that do not know everything, such as the name in a result file.

    Attributes:
        repo_id: `org/name`, the folder's own name, or `builtin:NAME`.
        revision: commit sha of a Hub model, fingerprint of a folder or built-in model; before the files have been
            looked at, the branch, tag or commit that was asked for, or None.
        subfolder: where the model lies inside its repository or folder, with `/`; empty for its root.
        variant: weight-file variant: `fp16` for model.fp16.safetensors.
        root: where the files of a folder or built-in model lie, without the subfolder; None where it is not known.
        notes: what the user should know about how the name was read.
        asked: of a Hub model whose files have been looked at, the branch, tag or commit that was asked for.
        former: of a Hub model that the Hub found by another name, that name.
    """

    source: Source
    repo_id: str
    revision: str | None = None
    subfolder: str = ""
    variant: str | None = None
    root: Path | None = None
    notes: tuple[str, ...] = ()
    asked: str | None = None
    former: str | None = None

    @property
    def branch(self) -> str | None:
        """The branch or tag that was asked for by its name. None for the default branch, and for a commit, of which
        nobody can tell whether it is one of that branch."""
        asked = self.asked or self.revision
        is_named = self.source == "hub" and asked is not None and not _COMMIT.fullmatch(asked)
        return asked if is_named and asked not in DEFAULT_BRANCHES else None

    @property
    def label(self) -> str:
        """What it is called among other models: weights of another branch are another model's."""
        return f"{self.repo_id}@{self.branch}" if self.branch else self.repo_id

    @property
    def key(self) -> tuple[str, ...]:
        """What makes two references equal."""
        name = self.repo_id.casefold() if self.source == "hub" else self.repo_id
        if self.source == "folder" and self.root is not None:
            name = str(self.root.resolve())
        return (self.source, name, self.revision or "", self.subfolder, self.variant or "")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModelRef) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def is_same_model(self, other: ModelRef) -> bool:
        """Whether both mean the same model, as far as they tell.

        A repository of the Hub is itself at every commit. A folder is what its fingerprint says where both know theirs
        (a copy is the same model, a retrained folder of the same name is not), else where it lies. A subfolder or
        variant is a model of its own.
        """
        if (self.source, self.subfolder, self.variant) != (other.source, other.subfolder, other.variant):
            return False
        if self.source == "hub":
            return self.repo_id.casefold() == other.repo_id.casefold()
        if self.revision is not None and other.revision is not None:
            return self.revision == other.revision
        if self.source == "builtin":
            return self.repo_id == other.repo_id
        return self.root is not None and other.root is not None and self.root.resolve() == other.root.resolve()

    def at(self, revision: str, *, repo_id: str | None = None) -> ModelRef:
        """The same model at the revision that was found, and as the Hub spells it."""
        return replace(self, revision=revision, repo_id=repo_id or self.repo_id, asked=self.asked or self.revision)

    def __str__(self) -> str:
        """As a user may type it, but for the subfolder and variant."""
        if self.source == "hub":
            return f"{self.repo_id}@{self.revision}" if self.revision else self.repo_id
        return self.repo_id if self.source == "builtin" or self.root is None else str(self.root)
