"""What a rule is, and how one is declared.

    @rule("SA301", "missing-tensor", "error",
          why="transformers fills what is missing with random numbers", fix="save the model again")
    def missing_tensor(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
        yield Seen("model.layers.3 lacks mlp.up_proj.weight", place="model.layers.3.mlp.up_proj.weight")

A rule says what it sees; what that is called, how bad it is and whether it is accepted is decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from shape_audit.checks.checked_model import CheckedModel
from shape_audit.checks.policy import Policy
from shape_audit.checks.subjects import key_of
from shape_audit.hub import CONFIG_FILE
from shape_audit.records import Severity

Need = Literal["headers", "deep", "weights", "hashes", "record"]
"""What a rule looks at: nothing more than headers, or what --deep, --weights, --verify-hashes, --measure bring."""


@dataclass(frozen=True)
class Seen:
    """One thing that a rule sees.

    Attributes:
        message: in one sentence, with the numbers.
        place: a tensor, a key; what makes this finding another one than the next.
        severity, fix: where they differ from the rule's own.
        about: what else it is about, in the words of `subjects`.
    """

    message: str
    file: str = CONFIG_FILE
    place: str = ""
    severity: Severity | None = None
    fix: str | None = None
    about: tuple[str, ...] = ()

    @property
    def subjects(self) -> frozenset[str]:
        """All that it is about; by these, what follows from it is told from what does not."""
        return frozenset((key_of(self.file, self.place) if self.place else self.file, *self.about))


@dataclass(frozen=True)
class Unable:
    """What a rule cannot judge, though the policy has a bound on it: the reason, naming the bound and what to do."""

    reason: str


Look = Callable[[CheckedModel, Policy], Iterable[Seen | Unable]]


@dataclass(frozen=True)
class Rule:
    """A rule: its id and name, how bad what it sees is, why that matters and what to do.

    Attributes:
        explains: ids, or beginnings of ids, of rules that see the consequences of what this one sees; where both are
            about the same, they are one finding, see `consequences`.
        bounds: the policy's bounds, by their names in its file, that are not judged without this rule.
    """

    id: str
    name: str
    severity: Severity
    needs: Need
    why: str
    fix: str
    look: Look
    explains: tuple[str, ...] = ()
    bounds: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """What it looks for, in the words of its function."""
        return " ".join((self.look.__doc__ or self.name).split())

    @property
    def family(self) -> str:
        """SA1 ... SA8; of another package's rules, their prefix."""
        return self.id[:3] if self.id.startswith("SA") else self.id.rstrip("0123456789")


RULES: dict[str, Rule] = {}
"""Id -> rule, ours, in the order of ids once all families are imported; `all_rules` has those of other packages too."""


def rule(
    id: str, name: str, severity: Severity, *, why: str, fix: str, needs: Need = "headers",
    explains: tuple[str, ...] = (), bounds: tuple[str, ...] = (),
) -> Callable[[Look], Look]:  # fmt: skip
    """Register a rule."""
    assert re.fullmatch(r"SA\d{3}", id) and id not in RULES, id

    def register(look: Look) -> Look:
        RULES[id] = Rule(id, name, severity, needs, why, fix, look, explains, bounds)
        return look

    return register
