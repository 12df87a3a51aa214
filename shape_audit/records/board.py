"""The comparison leaderboard: one row a model, and the evidence that links rows to scores.

A board is a pure function of its manifest, its records and the shipped facts: it holds no date of its own, so that two
builds from the same inputs are the same to the byte.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shape_audit.records.audit_record import CI, SiteInteraction
from shape_audit.records.frozen import Frozen
from shape_audit.records.link_evidence import LinkEvidence
from shape_audit.records.score_record import ScoreRecord
from shape_audit.records.shape_facts import Interval, Side

BOARD_VERSION: Literal[1] = 1

RowSource = Literal["record", "shipped table", "none"]
"""Where a row's shape comes from: an audit of the model, the shipped facts, or nowhere, since it failed."""

Order = Literal[
    "params", "r_dw", "log_distance", "score", "model", "-params", "-r_dw", "-log_distance", "-score", "-model"
]
"""Of rows; with a minus the largest first. Rows that lack the value stand last, by name."""


class BoardMeasurement(Frozen):
    """What an audit has measured, as the board shows it."""

    protocol: str
    protocol_hash: str
    dataset: str
    text_sha256: str
    seq_len: int
    windows: int
    bits_per_byte: float | None
    bits_per_byte_ci: CI = None
    sites: list[SiteInteraction]
    """In order of depth: `embedding`, `block.0` ... as many as were asked for."""
    cheap_blocks: int | None = None
    """That raise the loss by less than 1 % when left out alone; null where none was left out."""
    functional_share: float | None = None
    """Functional rank of the width, at the median site; null where it was not measured."""


class BoardRow(Frozen):
    """One model. Facts that are not known are null."""

    model: str
    revision: str | None
    """Commit sha or folder hash of the audit; null for shipped facts."""
    group: str
    """Of the manifest: under which heading the model was listed."""
    source: RowSource
    record: str | None = None
    """File name of the audit record."""
    record_sha256: str | None = None
    failure: str | None = None
    """Why the model could not be audited, in one line; then facts may be null."""
    family: str | None = None
    kind: Literal["base", "instruct"] | None = None
    domain: str | None = None
    derived_from: str | None = None
    train_tokens: float | None = None
    released: str | None = None
    """As in `ModelIdentity`, and the next two."""
    license: str | None = None
    license_link: str | None = None
    architecture: str | None = None
    """Model type, as in config.json."""
    num_hidden_layers: int | None = None
    hidden_size: int | None = None
    r_dw: float | None = None
    intermediate_size: int | None = None
    num_attention_heads: int | None = None
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    vocab_size: int | None = None
    tie_word_embeddings: bool | None = None
    params_total: int | None = None
    params_non_embedding: int | None = None
    side: Side | None = None
    log_distance: float | None = None
    shape_cost: float | None = None
    """Loss over the best shape's, less 1, at equal non-embedding parameters and tokens, by the shipped yardstick; null
    where the model is not dense."""
    shape_cost_ci: CI = None
    scores: list[ScoreRecord] = Field(default_factory=list)
    """All that are known, by protocol and source; several of one protocol may disagree."""
    measured: BoardMeasurement | None = None
    notes: list[str] = Field(default_factory=list)

    @property
    def placement(self) -> str:
        """Its side, or why it has none, in words."""
        return self.side or ("not audited" if self.r_dw is None else "not dense")


class Board(Frozen):
    """A whole leaderboard."""

    board_version: Literal[1] = BOARD_VERSION
    title: str
    manifest_sha256: str
    interval: Interval
    caveat: str
    """What the interval was derived from, in one clause that every page repeats."""
    protocols: list[str]
    """Of scores, in the order in which they are shown; the first is what the evidence is about."""
    order: Order
    """Of the rows."""
    rows: list[BoardRow]
    evidence: list[LinkEvidence]
    """Empty where too few models have a score; with and without models at the chance floor."""
    notes: list[str]
