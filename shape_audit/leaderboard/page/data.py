"""A board -> what the page's script is given: every number of the board that the page shows, once, as it is.

Rows are plain objects; table, plots and details draw on the same ones. What is a decision (which scores disagree, which
are at the chance floor, which measurements may be compared, which sources are links) is taken here, not in the script.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from shape_audit.leaderboard.build.comparable import ComparableSet, embedding_site, largest_comparable_set
from shape_audit.leaderboard.build.few_windows import has_intervals, window_words
from shape_audit.leaderboard.page.plots import plots
from shape_audit.leaderboard.page.shown_order import shown_order
from shape_audit.records import SAME_SCORE, Board, BoardMeasurement, BoardRow, ScoreRecord
from shape_audit.scores import CHOICE_0SHOT, FLOOR, LM_EVAL_COT, LM_EVAL_LETTERS, LM_EVAL_LETTERS_CHAT, OFFICIAL_COT
from shape_audit.shipped import facts

ERRORS_APART = 1.96
"""Standard errors of a difference within which two scores are not told apart."""
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)

_LABELS = {
    OFFICIAL_COT: "official, chain of thought",
    LM_EVAL_COT: "lm-eval, chain of thought",
    LM_EVAL_LETTERS: "lm-eval, letters",
    LM_EVAL_LETTERS_CHAT: "lm-eval, letters, as a chat",
    CHOICE_0SHOT: "letters, no examples",
}
_SOURCES = {
    "record": "audit record",
    "shipped table": "table of known models that ships with shape-audit (data/model_shapes.csv)",
    "none": "none",
}

DETAILS = (
    "shape read from", "record file", "record sha256", "revision", "listed under", "model type", "domain",
    "derived from", "training tokens", "repository made on", "licence, by its card", "text of the licence, by its card",
    "parameters", "parameters without embeddings", "intermediate size", "attention heads", "key-value heads",
    "head size", "vocabulary", "tied embeddings", "measured by", "protocol hash", "text", "text sha256", "windows",
    "tokens a window",
)  # fmt: skip
"""What the details of a row say, in this order."""

Json = dict[str, Any]


def page_data(board: Board) -> Json:
    """Everything, in the order of the board; keys are documented by the functions that make them."""
    comparable = largest_comparable_set(board.rows)
    rows = [_row(number, row, board.protocols, comparable) for number, row in enumerate(board.rows)]
    for number in range(len(board.protocols)):
        _mark_the_best(rows, number)
    return {
        "columns": _column_words_of(board),
        "details": DETAILS,
        "interval": [board.interval.low, board.interval.high],
        "order": shown_order(board),
        "plots": plots(board, comparable),
        "protocols": [{"id": name, "label": protocol_label(name)} for name in board.protocols],
        "rows": rows,
    }


def column_words() -> Mapping[str, Mapping[str, str]]:
    """Name -> title, what stands under it, and what it means, of every column that the page may have."""
    return facts("leaderboard_columns")


def _column_words_of(board: Board) -> Mapping[str, Mapping[str, str]]:
    """The same, without a word of intervals under what has none."""
    if has_intervals(board.rows):
        return column_words()
    bare = {name: {**words, "note": words["bare"]} for name, words in column_words().items() if "bare" in words}
    return {**column_words(), **bare}


def _mark_the_best(rows: list[Json], protocol: int) -> None:
    """`best` on the highest score of a protocol and those that two standard errors do not tell from it."""
    scores = [row["scores"][row["cells"][protocol][0]] for row in rows if len(row["cells"][protocol]) == 1]
    known = [score for score in scores if "stderr" in score and "floor" not in score]
    highest = max(known, key=lambda score: score["value"], default=None)
    if highest is None:
        return
    apart = {id(score): ERRORS_APART * math.hypot(score["stderr"], highest["stderr"]) for score in known}
    equal = [score for score in known if highest["value"] - score["value"] <= apart[id(score)]]
    for score in equal if len(equal) > 1 else ():
        score["best"] = True


def protocol_label(protocol: str) -> str:
    """A protocol in a few words; its name where there are none."""
    return _LABELS.get(protocol, protocol)


def link_of(source: str) -> str | None:
    """The source itself where it is an http(s) address and nothing else; None for every other text."""
    if not source.isprintable() or " " in source:  # of white space, only the plain space counts as printable
        return None
    try:
        parts = urlsplit(source)
    except ValueError:
        return None
    return source if parts.scheme in ("http", "https") and parts.hostname else None


def _row(number: int, row: BoardRow, protocols: Sequence[str], comparable: ComparableSet) -> Json:
    """One model. `cells` has for each protocol the places, in `scores`, of those to show: one of each value."""
    shown = {name: _distinct(row.scores, name) for name in protocols}
    content: Json = {
        "cells": [shown[name] for name in protocols],
        "cost": row.shape_cost,
        "cost_ci": row.shape_cost_ci,
        "details": _details(row),
        "distance": row.log_distance,
        "failure": row.failure,
        "family": row.family,
        "group": row.group,
        "hub": _REPOSITORY.fullmatch(row.model) is not None,
        "kind": row.kind,
        "license": row.license,
        "license_href": link_of(row.license_link) if row.license_link else None,
        "layers": row.num_hidden_layers,
        "model": row.model,
        "notes": row.notes,
        "params": row.params_total,
        "r": row.r_dw,
        "released": row.released,
        "scores": [_score(score, protocols) for score in row.scores],
        "side": row.side,
        "width": row.hidden_size,
    }
    if row.measured is not None:
        content["measured"] = _measured(row.measured, row.num_hidden_layers, number in comparable.rows)
    return content


def _distinct(scores: Sequence[ScoreRecord], protocol: str) -> list[int]:
    """Places of the scores of a protocol, without limited runs, in order of value; equal ones once."""
    places = [place for place, score in enumerate(scores) if score.protocol == protocol and not score.is_limited]
    places.sort(key=lambda place: (scores[place].value, place))
    kept: list[int] = []
    for place in places:
        if not kept or scores[place].value - scores[kept[-1]].value > SAME_SCORE:
            kept.append(place)
    return kept


def _score(score: ScoreRecord, protocols: Sequence[str]) -> Json:
    """One score and where it is from; absent facts have no key."""
    content: Json = {
        "by": score.provider,
        "date": score.date,
        "floor": score.value <= FLOOR or None,
        "href": link_of(score.source),
        "limited": score.is_limited or None,
        "n": score.n,
        "notes": score.notes or None,
        "p": protocols.index(score.protocol) if score.protocol in protocols else None,
        "protocol": None if score.protocol in protocols else score.protocol,
        "revision": score.revision,
        "source": score.source,
        "stderr": score.stderr,
        "value": score.value,
        "verified": score.is_verified,
    }
    if score.among_size is not None:
        content["size"] = score.among_size.model_dump(exclude={"params_range"}) | {
            "range": list(score.among_size.params_range)
        }
    return {key: value for key, value in content.items() if value is not None}


def _measured(measured: BoardMeasurement, layers: int | None, is_comparable: bool) -> Json:
    """What was measured; `profile` has (relative depth, AOFE-ratio, its interval or null, name) of each site."""
    site = embedding_site(measured)
    return {
        "alignment": site.channel_alignment if site else None,
        "alignment_ci": site.channel_alignment_ci if site else None,
        "bits": measured.bits_per_byte,
        "bits_ci": measured.bits_per_byte_ci,
        "cheap": measured.cheap_blocks,
        "comparable": is_comparable,
        "functional": measured.functional_share,
        "noise": site is not None and site.below_noise_floor,
        "normalized": site.aofe_normalized if site else None,
        "normalized_ci": site.aofe_normalized_ci if site else None,
        "profile": [
            [depth, each.aofe_ratio, each.aofe_ratio_ci, each.name]
            for each in measured.sites
            if (depth := relative_depth(each.name, layers)) is not None and each.aofe_ratio is not None
        ],
        "protocol": measured.protocol,
        "random": site.aofe_ratio_random_basis if site else None,
        "rank": site.effective_rank if site else None,
        "ratio": site.aofe_ratio if site else None,
        "ratio_ci": site.aofe_ratio_ci if site else None,
        "used": site.share_of_width if site else None,
        "setting": f"{measured.protocol_hash[:8]}, {measured.dataset}, {window_words([measured.windows])} of "
        f"{measured.seq_len} tokens",
    }


def relative_depth(site: str, layers: int | None) -> float | None:
    """0 for the embedding, 1 for the output of the last block; None for what is not on the residual stream."""
    if site == "embedding":
        return 0.0
    room, _, number = site.partition(".")
    if room != "block" or not number.isdecimal() or not layers:
        return None
    depth = (int(number) + 1) / layers
    return depth if math.isfinite(depth) else None


def _details(row: BoardRow) -> list[str | int | float | bool | None]:
    """Where the row is from and what else is known, in the order of `DETAILS`, as far as the row goes."""
    measured = row.measured
    facts = [
        _SOURCES[row.source], row.record, row.record_sha256, row.revision, row.group, row.architecture, row.domain,
        row.derived_from, row.train_tokens, row.released, row.license, row.license_link, row.params_total,
        row.params_non_embedding, row.intermediate_size, row.num_attention_heads, row.num_key_value_heads, row.head_dim,
        row.vocab_size, row.tie_word_embeddings,
    ]  # fmt: skip
    if measured is not None:
        facts += [
            measured.protocol, measured.protocol_hash, measured.dataset, measured.text_sha256, measured.windows,
            measured.seq_len,
        ]  # fmt: skip
    return facts
