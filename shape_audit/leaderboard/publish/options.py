"""How a leaderboard is pushed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from shape_audit.hub import DEFAULT_RETRIES
from shape_audit.spec import Option, Spec


@dataclass(frozen=True)
class PushOptions(Spec):
    """How a leaderboard is pushed.

    Attributes:
        private: without it the namespace's own default holds. An existing public repository is refused: it would show
            what was meant to be private.
        dry_run: the repository is looked at (requests that read) and compared where it can be; where it cannot (no
            network, offline mode, no access), all files are listed, and a note says why.
        create_pr: the repository must exist.
    """

    private: Annotated[bool, Option("Make a new repository private; an existing public one is refused.")] = False
    dry_run: Annotated[bool, Option("Say what would be sent and deleted, and send nothing.")] = False
    create_pr: Annotated[bool, Option("Open a pull request instead of changing the main branch.")] = False
    retries: Annotated[int, Option("Retries after a transient network error.", at_least=0)] = DEFAULT_RETRIES
