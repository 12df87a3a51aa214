"""One model -> one row: of an audit record, of the shipped facts, or of the reason why there is neither."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from shape_audit.records import AuditRecord, BoardMeasurement, BoardRow, Interval, ScoreRecord, record_file_name
from shape_audit.shape import KnownModel, known_models, place
from shape_audit.yardsticks import DEFAULT_YARDSTICK, law_cost, shipped_yardstick


def row_of_record(record: AuditRecord, group: str, interval: Interval) -> BoardRow:
    """The row of an audited model; its family, kind and training are the shipped table's, where it is in there."""
    shape = record.shape
    placement = place(shape.r_dw, interval, is_dense=shape.is_dense)
    known = known_models().get(record.model.repo_id) if record.model.source == "hub" else None
    return BoardRow(
        model=record.model.label,
        revision=record.model.revision,
        group=group,
        source="record",
        record=record_file_name(record),
        record_sha256=record.record_sha256,
        architecture=record.model.model_type,
        released=record.model.released,
        license=record.model.license,
        license_link=record.model.license_link,
        **_training(known) | ({"train_tokens": None} if record.model.branch else {}),
        **{name: getattr(shape, name) for name in SHAPE},
        side=placement.side,
        log_distance=placement.log_distance,
        **_cost(shape.r_dw if shape.is_dense else None),
        measured=_measured(record),
        notes=list(record.notes),
    )


def row_of_facts(known: KnownModel, group: str, interval: Interval) -> BoardRow:
    """The row of a model that nobody has audited here, from the shipped table."""
    placement = place(known.r_dw, interval)
    return BoardRow(
        model=known.repo_id,
        revision=None,
        group=group,
        source="shipped table",
        architecture=known.architecture,
        **_training(known),
        num_hidden_layers=known.num_hidden_layers,
        hidden_size=known.hidden_size,
        r_dw=known.r_dw,
        intermediate_size=known.intermediate_size,
        num_attention_heads=known.num_attention_heads,
        num_key_value_heads=known.num_key_value_heads,
        head_dim=known.head_dim,
        vocab_size=known.vocab_size,
        params_total=round(known.params) if known.params else None,
        side=placement.side,
        log_distance=placement.log_distance,
        **_cost(known.r_dw),
    )


def row_of_failure(model: str, group: str, reason: str) -> BoardRow:
    """The row of a model that could not be audited, and of which nothing is known."""
    return BoardRow(model=model, revision=None, group=group, source="none", failure=reason)


SHAPE = (
    "num_hidden_layers", "hidden_size", "r_dw", "intermediate_size", "num_attention_heads", "num_key_value_heads",
    "head_dim", "vocab_size", "tie_word_embeddings", "params_total", "params_non_embedding",
)  # fmt: skip


def with_scores(row: BoardRow, scores: Sequence[ScoreRecord]) -> BoardRow:
    """The row with its scores, each once, in the order of protocol, provider and source; limited runs, and those
    set apart, are none."""
    kept: dict[tuple[str, float, str], ScoreRecord] = {}
    for score in scores:
        if score.is_comparable:
            kept.setdefault((score.protocol, score.value, score.source), score)
    ordered = sorted(kept.values(), key=lambda score: (score.protocol, score.provider, score.source, score.value))
    return row.model_copy(update={"scores": ordered})


@lru_cache(maxsize=1024)  # many models have a shape that others have too
def _cost(r_dw: float | None) -> Mapping[str, Any]:
    """By the law alone, so that models of the table and audited ones are on one curve."""
    if r_dw is None:
        return {}
    cost, ends = law_cost(shipped_yardstick(DEFAULT_YARDSTICK), r_dw)
    return {"shape_cost": cost, "shape_cost_ci": ends}


def _training(known: KnownModel | None) -> dict[str, Any]:
    if known is None:
        return {}
    return {
        "family": known.family,
        "kind": "base" if known.is_base else "instruct",
        "domain": known.domain,
        "derived_from": known.derived_from or None,
        "train_tokens": known.train_tokens,
    }


def _measured(record: AuditRecord) -> BoardMeasurement | None:
    if record.interaction is None or record.calibration is None:
        return None
    text, profile = record.calibration, record.interaction
    return BoardMeasurement(
        protocol=profile.protocol,
        protocol_hash=profile.protocol_hash,
        dataset=text.dataset,
        text_sha256=text.text_sha256,
        seq_len=text.seq_len,
        windows=profile.windows_used,
        bits_per_byte=record.loss.bits_per_byte if record.loss else None,
        bits_per_byte_ci=record.loss.bits_per_byte_ci if record.loss else None,
        sites=profile.sites,
        cheap_blocks=len(record.use.summary.cheap_blocks) if record.use and record.use.summary else None,
        functional_share=record.use.functional_share if record.use else None,
    )
