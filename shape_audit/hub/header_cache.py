"""Tensor headers of Hub commits already seen, so that nothing is asked for twice and offline runs work.

Lies in the Hub's assets cache: `<assets>/shape-audit/headers/<repo>/<sha>.json`, and beside it `refs/<revision>`,
which says what a branch or tag last meant, and `facts/<sha>.json`. A commit never changes, so no entry ever expires.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

from huggingface_hub import cached_assets_path

from shape_audit.hub.repository_facts import RepositoryFacts
from shape_audit.hub.safetensors_header import TensorHeader
from shape_audit.records import sha256_of, write_text_atomically

COMMIT = re.compile(r"[0-9a-f]{40}")

Headers = Mapping[str, Mapping[str, TensorHeader]]


class HeaderCache:
    """The cached headers of one repository."""

    def __init__(self, repo_id: str, subfolder: str = "", variant: str | None = None) -> None:
        place = [part for part in (subfolder, variant or "") if part]
        self._suffix = "".join(f"--{quote(part, safe='')}" for part in place)
        self._folder = Path(
            cached_assets_path("shape-audit", namespace="headers", subfolder=repo_id.replace("/", "--"))
        )

    def load(self, sha: str) -> dict[str, dict[str, TensorHeader]] | None:
        """File name -> tensor name -> header of a commit; None where it is absent or damaged."""
        try:
            kept = json.loads((self._folder / f"{sha}{self._suffix}.json").read_text(encoding="utf-8"))
            if kept["sha256"] != sha256_of(kept["headers"]):
                return None
            return {
                file: {name: TensorHeader(dtype, tuple(shape)) for name, (dtype, shape) in tensors.items()}
                for file, tensors in kept["headers"].items()
            }
        except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
            return None

    def save(self, sha: str, headers: Headers) -> None:
        content = {
            file: {name: [header.dtype, header.shape] for name, header in tensors.items()}
            for file, tensors in headers.items()
        }
        kept = {"sha256": sha256_of(content), "headers": content}
        write_text_atomically(self._folder / f"{sha}{self._suffix}.json", json.dumps(kept))

    def remember(self, revision: str, sha: str, repo_id: str) -> None:
        """Keep what a branch or tag means today, and the repository's own spelling of its name, for offline runs."""
        if self.remembered(revision) != (sha, repo_id):
            write_text_atomically(self._ref(revision), f"{sha} {repo_id}")

    def remembered(self, revision: str) -> tuple[str, str] | None:
        """(sha, repo_id) as they were when the revision was last looked up."""
        try:
            sha, repo_id = self._ref(revision).read_text(encoding="utf-8").split()
        except (OSError, ValueError):
            return None
        return (sha, repo_id) if COMMIT.fullmatch(sha) else None

    def keep_facts(self, sha: str, facts: RepositoryFacts) -> None:
        """Keep what the Hub says of the repository at a commit, so that an audit offline says the same."""
        if self.facts(sha) != facts:
            write_text_atomically(self._folder / "facts" / f"{sha}.json", json.dumps(asdict(facts)))

    def facts(self, sha: str) -> RepositoryFacts:
        """What was kept; nothing known where there is none."""
        try:
            return RepositoryFacts(**json.loads((self._folder / "facts" / f"{sha}.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, RecursionError):
            return RepositoryFacts()

    def _ref(self, revision: str) -> Path:
        return self._folder / "refs" / quote(revision, safe="")
