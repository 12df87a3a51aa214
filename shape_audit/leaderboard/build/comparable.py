"""Which measurements of a board may stand beside each other: of one protocol, on one text, with windows of one length.

AGOP numbers depend on all three, so only one such set is ranked and plotted; what it leaves out is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from shape_audit.leaderboard.build.few_windows import window_words
from shape_audit.records import BoardMeasurement, BoardRow, SiteInteraction

EMBEDDING = "embedding"

Setting = tuple[str, int, str]
"""Protocol, seq_len, sha256 of the text. Not the protocol's hash: that holds the sites and the dtype too, which differ
from model to model without making their AGOPs another quantity."""


@dataclass(frozen=True)
class ComparableSet:
    """The largest set of measurements that may be compared.

    Attributes:
        setting: None where nothing was measured at the embedding.
        rows: their places in the board.
        measured_as: the setting in words.
        left_out: measured otherwise, in words, with how many.
    """

    setting: Setting | None
    rows: frozenset[int]
    measured_as: str
    left_out: tuple[str, ...]


def embedding_site(measured: BoardMeasurement) -> SiteInteraction | None:
    """The site at the input of block 0, where there is one."""
    return next((site for site in measured.sites if site.name == EMBEDDING), None)


def setting_of(measured: BoardMeasurement) -> Setting:
    """All that decides what a measurement may be compared with."""
    return (measured.protocol, measured.seq_len, measured.text_sha256)


def largest_comparable_set(rows: Sequence[BoardRow]) -> ComparableSet:
    """The setting that most rows share, and of equal ones the first in order of their values."""
    settings = {
        number: setting_of(row.measured)
        for number, row in enumerate(rows)
        if row.measured is not None and embedding_site(row.measured) is not None
    }
    elsewhere = sum(row.measured is not None for row in rows) - len(settings)
    nowhere = (f"{elsewhere} measured, but not at the embedding",) if elsewhere else ()
    if not settings:
        return ComparableSet(None, frozenset(), "", nowhere)
    counts = Counter(settings.values())
    chosen = min(counts, key=lambda setting: (-counts[setting], setting))
    members = {one: [number for number, setting in settings.items() if setting == one] for one in counts}
    words = {
        one: _words(one, [measured.windows for n in members[one] if (measured := rows[n].measured)]) for one in counts
    }
    others = tuple(f"{counts[one]} measured by {words[one]}" for one in sorted(counts) if one != chosen)
    return ComparableSet(chosen, frozenset(members[chosen]), words[chosen], others + nowhere)


def _words(setting: Setting, windows: Sequence[int]) -> str:
    protocol, seq_len, text_sha256 = setting
    return f"{protocol} in {window_words(windows)} of {seq_len} tokens of text {text_sha256[:8]}"
