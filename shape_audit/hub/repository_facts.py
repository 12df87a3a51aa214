"""What the Hub says of a repository beside its files: since when it has been there, and the licence its card states."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

DATES_SINCE = date(2022, 3, 2)
"""The day on which the Hub began to store when a repository was made: all older ones have this one."""
OTHER_LICENSE = "other"
"""What a card states for a licence that has no identifier; then the card names it itself."""
LONGEST = 200


@dataclass(frozen=True)
class RepositoryFacts:
    """What is not known is None.

    Attributes:
        released: the day on which the repository was made, as YYYY-MM-DD.
        license: as the card states it: an identifier of the Hub, or the name that the card gives.
        license_link: where the card says that its text is: an address, or a file of the repository.
    """

    released: str | None = None
    license: str | None = None
    license_link: str | None = None


def repository_facts(info: ModelInfo) -> RepositoryFacts:
    """The facts of what the Hub has answered; what is odd there is not known."""
    made = info.created_at.date() if info.created_at else None
    card: dict[str, Any] = info.card_data.to_dict() if hasattr(info.card_data, "to_dict") else {}
    license = _words(card.get("license"))
    if license == OTHER_LICENSE:
        license = _words(card.get("license_name")) or license
    return RepositoryFacts(
        released=made.isoformat() if made and made > DATES_SINCE else None,
        license=license,
        license_link=_words(card.get("license_link")),
    )


def _words(value: Any) -> str | None:
    """A text of the card, or several of them in one; cards are written by hand."""
    given = value if isinstance(value, list) else [value]
    return ", ".join(one.strip() for one in given if isinstance(one, str) and one.strip())[:LONGEST] or None
