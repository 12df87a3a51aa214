"""One row of a leaderboard as a section of that model's card, and its scores as the card's metadata."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from shape_audit.errors import IncompleteError
from shape_audit.escaping import on_a_line
from shape_audit.interaction import MIN_WINDOWS
from shape_audit.records import BoardMeasurement, BoardRow, Interval, ScoreRecord, SiteInteraction
from shape_audit.reports import (
    SIDE_WORDS,
    Table,
    count,
    escaped,
    excess_with_interval,
    half_width,
    interval_ends,
    markdown_table,
    percent,
    scores_markdown,
    significant,
)
from shape_audit.yardsticks import DEFAULT_YARDSTICK, shipped_yardstick

SHOWN_SITES = 5
"""A card is no report: the first site, the last, and some between."""

PAPER = "Law of Neural Interaction (arXiv 2605.27989)"

_T = TypeVar("_T")


def model_card_section(row: BoardRow, *, board_title: str, interval: Interval, caveat: str) -> str:
    """The Markdown section for a model's card: shape, placement, interaction where measured, scores, how it was made.

    All that came from outside is escaped.

    Args:
        interval, caveat: of the board; the caveat is what the interval was derived from, in one clause.

    Returns:
        Markdown under a second-level heading, with a final line end.

    Raises:
        IncompleteError: the model could not be audited, so nothing is known to say.
    """
    if row.num_hidden_layers is None or row.hidden_size is None or row.r_dw is None:
        raise IncompleteError(f"{row.model}: no shape is known of it ({row.failure or 'not audited'}), so no card")
    parts = ["## Depth-width shape", _placement(row, interval, caveat), _table(_shape_table(row))]
    if row.measured is not None:
        parts += [_table(_interaction_table(row.measured)), escaped(_how_measured(row.measured))]
    parts.append(_lower(scores_markdown(row.model, row.scores, [])).rstrip("\n"))
    notes = [*([f"not all of it could be audited: {row.failure}"] if row.failure else []), *row.notes]
    if notes:
        parts.append("### Notes\n\n" + "\n".join(f"- {escaped(note)}" for note in notes))
    parts.append(escaped(_provenance(row, board_title)))
    return "\n\n".join(parts) + "\n"


def model_card_metadata(row: BoardRow) -> str:
    """The YAML header of a model card, with the row's scores as evaluation results (`model-index`).

    Left out are limited scores, which compare with nothing, and those posted in the model's own repository, which are
    there already. Each result says its protocol in the metric's name, and its source in the metric's arguments: tools
    that write a card anew keep one source for all results of a data set. None is marked verified.

    Returns:
        The header with its lines of dashes and a final line end; empty where no score is left.
    """
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type="TIGER-Lab/MMLU-Pro",
            dataset_name="MMLU-Pro",
            dataset_split="test",
            metric_type="accuracy",
            metric_name=f"accuracy, {on_a_line(score.protocol)}",
            metric_value=round(score.value, 6),
            metric_args=_details(score),
            verified=False,
        )
        for score in row.scores
        if score.is_comparable and score.provider != "posted"
    ]
    if not results:
        return ""
    return f"---\n{ModelCardData(model_name=on_a_line(row.model), eval_results=results).to_yaml()}\n---\n"


def _details(score: ScoreRecord) -> dict[str, str | int | float]:
    known = {
        "protocol": score.protocol, "source": score.source, "provider": score.provider, "date": score.date,
        "revision": score.revision, "questions": score.n,
        "stderr": None if score.stderr is None else round(score.stderr, 6),
    }  # fmt: skip
    return {
        name: on_a_line(value) if isinstance(value, str) else value
        for name, value in known.items()
        if value is not None
    }


def _placement(row: BoardRow, interval: Interval, caveat: str) -> str:
    parts = []
    if row.shape_cost is not None:
        cost = f"The shape of {row.model} costs {excess_with_interval(row.shape_cost, row.shape_cost_ci)} of loss"
        by = shipped_yardstick(DEFAULT_YARDSTICK).description
        against = f"against the best shape at equal non-embedding parameters and tokens, by {by}."
        parts.append(f"**{escaped(cost)}** {escaped(against)}")
    shape = f"{count(row.num_hidden_layers)} layers on a width of {count(row.hidden_size)}, R_D/W {row.r_dw:.4f}"
    shape = f"{'It' if parts else row.model} has {shape}"
    if row.side is not None:
        ends = f"{interval_ends(interval.low, interval.high)} ({interval.name})"
        shape += f", and is {SIDE_WORDS[row.side]}, {ends}. A coordinate, not a grade: {caveat}"
    return " ".join([*parts, escaped(f"{shape}.")])


def _shape_table(row: BoardRow) -> Table:
    heads = count(row.num_attention_heads)
    if row.num_key_value_heads is not None and row.num_key_value_heads != row.num_attention_heads:
        heads += f" ({count(row.num_key_value_heads)} key/value)"
    tied = {True: ", tied", False: ", untied", None: ""}[row.tie_word_embeddings]
    rows = [
        ("layers × width", f"{count(row.num_hidden_layers)} × {count(row.hidden_size)}"),
        ("R_D/W", f"{row.r_dw:.6f}"),
        ("log-distance to interval", significant(row.log_distance) if row.log_distance is not None else None),
        ("feed-forward width", _known(row.intermediate_size)),
        ("attention heads", heads if row.num_attention_heads is not None else None),
        ("head dim", _known(row.head_dim)),
        ("vocabulary", count(row.vocab_size) + tied if row.vocab_size is not None else None),
        ("parameters", _known(row.params_total)),
        ("parameters without embeddings", _known(row.params_non_embedding)),
    ]
    return Table("Shape", ("", ""), tuple((name, value) for name, value in rows if value is not None))


def _known(value: int | None) -> str | None:
    return count(value) if value is not None else None


def _interaction_table(measured: BoardMeasurement) -> Table:
    sites = _spread(measured.sites, SHOWN_SITES)
    title = "Interaction"
    if len(sites) < len(measured.sites):
        title += f" at {len(sites)} of {len(measured.sites)} sites"
    columns = ("site", "effective rank", "of width", "channel alignment", "AOFE-ratio", "in a random basis")
    return Table(title, columns, tuple(_site_cells(site) for site in sites))


def _site_cells(site: SiteInteraction) -> tuple[str, ...]:
    if site.below_noise_floor:
        return (site.name, *["below the noise"] * 5)
    rank = significant(site.effective_rank)
    if site.effective_rank is not None and site.effective_rank_ci is not None:
        rank += f" ±{significant((site.effective_rank_ci[1] - site.effective_rank_ci[0]) / 2, 2)}"
    return (
        site.name,
        rank,
        percent(site.share_of_width),
        _with_error(site.channel_alignment, site.channel_alignment_ci),
        _with_error(site.aofe_ratio, site.aofe_ratio_ci),
        _with_error(site.aofe_ratio_random_basis, site.aofe_ratio_random_basis_ci),
    )


def _with_error(value: float | None, interval: tuple[float, float] | None) -> str:
    return "–" if value is None else f"{value:.3f} {half_width(interval)}".rstrip()


def _how_measured(measured: BoardMeasurement) -> str:
    loss = ""
    if measured.bits_per_byte is not None:
        loss = (
            f" The model predicts it at {_with_error(measured.bits_per_byte, measured.bits_per_byte_ci)} bits per byte."
        )
    has_errors = measured.windows >= MIN_WINDOWS
    errors = (
        "± is half of a 95 % interval" if has_errors else f"there are no intervals, which need {MIN_WINDOWS} windows"
    )
    return (
        f"Protocol {measured.protocol}, {measured.windows} windows of {measured.seq_len} tokens of {measured.dataset} "
        f"(text sha256 {measured.text_sha256[:12]}); {errors}.{loss} Numbers of another text or "
        "another window length cannot be compared with these. Alignment is 0 where channels are as those of any basis "
        "and 1 where each acts alone; the AOFE-ratio alone is not a property of the function."
    )


def _provenance(row: BoardRow, board_title: str) -> str:
    """How all this was made, and of which revision it holds."""
    where = f"revision {row.revision}" if row.revision else "a revision that is not known"
    record = f", record sha256 {row.record_sha256[:12]}" if row.record_sha256 else ""
    origin = {
        "record": f"read from {where} of {row.model}{record}",
        "shipped table": "taken from the table that ships with the program, not from an audit",
        "none": "of unknown origin",
    }[row.source]
    return f"Made by shape-audit for the leaderboard “{board_title}”, after {PAPER}; the shape is {origin}."


def _spread(items: Sequence[_T], most: int) -> list[_T]:
    """The first, the last, and evenly what lies between."""
    if len(items) <= most:
        return list(items)
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]


def _table(table: Table) -> str:
    return _lower(markdown_table(table))


def _lower(markdown: str) -> str:
    """Its heading one level down."""
    return markdown.replace("## ", "### ", 1) if markdown.startswith("## ") else markdown
