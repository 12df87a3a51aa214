"""Suggested shapes, in the terminal and as Markdown."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from shape_audit.records import ExistingModel, ShapeSuggestion
from shape_audit.reports.cost import with_interval
from shape_audit.reports.markdown_tables import escaped, markdown_table
from shape_audit.reports.numbers import byte_size, count, interval_ends, rounded_count, significant
from shape_audit.reports.rich_tables import FittedTable, bullets, plain
from shape_audit.reports.tables import Table
from shape_audit.shape import MOST_COST, TENSOR_PARALLEL, searched_interval, unsplit


def suggestion_text(suggestion: ShapeSuggestion) -> RenderableType:
    """What was found and what the order means, the shapes, existing models beside them, what to mind."""
    parts: list[RenderableType] = [plain(_headline(suggestion), style="bold")]
    parts += [Padding(plain(sentence), (0, 0, 0, 2)) for sentence in _sentences(suggestion)]
    for table in _tables(suggestion):
        parts += [Text(), FittedTable(table)]
    parts += [Text(), *bullets(_warnings(suggestion))]
    return Group(*parts)


def suggestion_markdown(suggestion: ShapeSuggestion) -> str:
    """Markdown with a final line end."""
    parts = [f"# {escaped(_headline(suggestion))}", "\n".join(escaped(line) for line in _sentences(suggestion))]
    parts += [markdown_table(table) for table in _tables(suggestion)]
    return "\n\n".join([*parts, "\n".join(f"- {escaped(line)}" for line in _warnings(suggestion))]) + "\n"


def _headline(suggestion: ShapeSuggestion) -> str:
    some = f"1 {suggestion.family} shape" if suggestion.found == 1 else f"{suggestion.found} {suggestion.family} shapes"
    ends = interval_ends(suggestion.interval.low, suggestion.interval.high)
    return (
        f"{some} of {rounded_count(suggestion.params)} {suggestion.counted} parameters "
        f"(±{suggestion.tolerance * 100:g} %), compared at equal {suggestion.counted} parameters; R_D/W within {ends} "
        f"({suggestion.interval.name})"
    )


def _within(suggestion: ShapeSuggestion) -> str:
    """What the interval bounds, in two words: the one that is searched unasked is not the efficient interval of
    `audit`, whose word is "inside"."""
    return f"within {100 * MOST_COST:g} %" if suggestion.interval == searched_interval() else "inside"


def _sentences(suggestion: ShapeSuggestion) -> list[str]:
    return [
        f"{suggestion.ranking[:1].upper()}{suggestion.ranking[1:]}.",
        _neighbours(suggestion),
        f"Keep in mind: {suggestion.caveat}.",
    ]


def _neighbours(suggestion: ShapeSuggestion) -> str:
    """Where existing models of this size lie."""
    near = suggestion.size_neighbours
    if near.r_dw_lowest is None or near.r_dw_median is None or near.r_dw_highest is None:
        return f"The shipped table has no base model within a factor of {near.factor:g} of this size."
    table = f"of the shipped table within a factor of {near.factor:g} of this size"
    if near.n == 1:
        where = _within(suggestion) if near.n_inside else "outside"
        return f"The one base model {table} lies {where}: R_D/W {near.r_dw_median:.4f}."
    inside = f"{near.n_inside or 'none'} {'lies' if near.n_inside < 2 else 'lie'} {_within(suggestion)}"
    spread = f"R_D/W {near.r_dw_lowest:.4f} to {near.r_dw_highest:.4f}, median {near.r_dw_median:.4f}"
    return f"Of the {near.n} base models {table}, {inside}: {spread}."


def _tables(suggestion: ShapeSuggestion) -> list[Table]:
    return [
        _shapes_table(suggestion),
        _costs_table(suggestion),
        _existing_table("parameters", suggestion.nearest_in_params, _within(suggestion)),
        _existing_table("shape", suggestion.nearest_in_shape, _within(suggestion)),
    ]


def _shapes_table(suggestion: ShapeSuggestion) -> Table:
    rows = []
    for suggested in suggestion.shapes:
        shape = suggested.shape
        rows.append(
            (
                str(suggested.rank),
                f"{shape.num_hidden_layers} × {shape.hidden_size:,}",
                f"{shape.r_dw:.4f}",
                f"{count(shape.intermediate_size)} ({significant(shape.feed_forward_ratio)} ×)",
                f"{shape.num_attention_heads} ({shape.num_key_value_heads})",
                _splits(shape.num_attention_heads or 0),
                str(shape.head_dim),
                rounded_count(shape.params_total),
                rounded_count(shape.params_non_embedding),
                f"{suggested.miss * 100:+.1f} %",
            )
        )
    columns = (
        "", "layers × width", "R_D/W", "feed-forward", "heads (kv)", "split by", "head dim", "params", "non-emb.",
        "miss",
    )  # fmt: skip
    first = suggestion.shapes[0].shape
    tied = "tied" if first.tie_word_embeddings else "untied"
    return Table(f"Shapes (vocabulary {count(first.vocab_size)}, {tied})", columns, tuple(rows))


def _costs_table(suggestion: ShapeSuggestion) -> Table:
    """What each shape costs to train and to run."""
    rows = tuple(
        (
            str(one.rank),
            f"{one.shape.num_hidden_layers} × {one.shape.hidden_size:,}",
            *(with_interval(cost) for cost in one.costs),
            f"{one.training_time:.2f}{' ◆' if one.is_efficient else ''}",
            byte_size(one.kv_cache_bytes_per_token),
        )
        for one in suggestion.shapes
    )
    at = "".join(f" ({rounded_count(round(cost.tokens))} tokens)" for cost in suggestion.shapes[0].costs if cost.tokens)
    columns = ("", "layers × width", "loss, equal tokens", f"loss, equal time{at}", "time", "KV cache / token")
    return Table("What they cost", columns, rows)


def _splits(heads: int) -> str:
    """The degrees of tensor parallelism that the heads split by; a dash for none."""
    return " ".join(str(degree) for degree in TENSOR_PARALLEL if degree not in unsplit(heads)) or "–"


def _existing_table(nearest_in: str, models: list[ExistingModel], within: str) -> Table:
    rows = tuple(
        (
            model.repo_id,
            f"{model.num_hidden_layers} × {model.hidden_size:,}",
            f"{model.r_dw:.4f}",
            within if model.side == "inside" else model.side,
            rounded_count(model.params_total),
        )
        for model in models
    )
    columns = ("model", "layers × width", "R_D/W", "placement", "params")
    return Table(f"Existing models nearest in {nearest_in} to the first", columns, rows)


def _warnings(suggestion: ShapeSuggestion) -> list[str]:
    """What hardware dislikes, the notes, and where the interval is from."""
    lines = [f"shape {one.rank}: {remark}" for one in suggestion.shapes for remark in one.hardware]
    first = suggestion.shapes[0].costs[0]
    lines.append(
        f"costs: by {first.description}, against the best shape of as many {first.basis} parameters; time: training on "
        "equal tokens, over that of the fastest of all shapes found; ◆: of these, none trains faster and costs less"
    )
    more = suggestion.found - len(suggestion.shapes)
    lines += [f"{more} more: --top {suggestion.found}"] if more else []
    return [*lines, *suggestion.notes, f"interval: {suggestion.interval.name}; {suggestion.interval.source}"]
