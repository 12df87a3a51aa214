"""Answers -> HTML: all models together first, then each by itself. Whatever comes from outside is escaped."""

from __future__ import annotations

from collections.abc import Sequence

from shape_audit.app.answer import Answer, Answers
from shape_audit.app.cost_curve import BAND, curve_svg, points
from shape_audit.app.model_section import hub_link, model_section
from shape_audit.app.question import Question
from shape_audit.escaping import html
from shape_audit.records import AuditRecord, ShapeCost
from shape_audit.reports import (
    Table,
    byte_size,
    count,
    first_cost,
    html_table,
    of_total,
    rounded_count,
    with_interval,
)
from shape_audit.yardsticks import shipped_yardstick

SIDES = {"inside": "● inside", "shallow-wide": "◀ shallow for its width", "deep-narrow": "▶ deep for its width"}
"""Where a shape stands against the paper's interval; colour says the same."""
Numbered = list[tuple[int, Answer, AuditRecord]]


def answers_html(question: Question, answers: Answers) -> str:
    """All that is known so far."""
    known = [(number, answer, answer.record) for number, answer in enumerate(answers, 1) if answer.record]
    parts = [_problems(answers), _waiting(answers), _cards(known)]
    if known:
        parts += [_figure(question, known)]
    if len(known) > 1:
        parts += [f'<div class="across">{html_table(_side_by_side(known))}</div>']
    parts += [model_section(number, answer, is_open=len(known) == 1) for number, answer, _ in known]
    parts += [f'<p class="share"><a href="{html(question.link)}">Link to this view</a></p>' if known else ""]
    return f'<div class="audit">{"".join(parts)}</div>'


def problem_html(line: str) -> str:
    """One line that says what is wrong with the question itself."""
    return f'<div class="audit"><p class="problem" role="alert">{html(line)}</p></div>'


def _problems(answers: Answers) -> str:
    return "".join(f'<p class="problem" role="alert">{html(one.problem)}</p>' for one in answers if one.problem)


def _waiting(answers: Answers) -> str:
    names = [answer.name for answer in answers if answer.record is None and answer.problem is None]
    return f'<p class="waiting" role="status">Reading {html(", ".join(names))} …</p>' if names else ""


def _cards(known: Numbered) -> str:
    cards = []
    for number, answer, record in known:
        shape, side = record.shape, record.placement.side if record.shape.is_dense else None
        cost = first_cost(record.shape_cost)
        found = answer.findings
        check = f'<p class="check {found.worst or "none"}">check: {html(found.verdict)}</p>' if found else ""
        cards.append(
            f'<article class="card m{number}"><h2><span class="badge">{number}</span>{hub_link(record)}</h2>'
            f'<p class="facts">{rounded_count(shape.params_total)} parameters · {count(shape.num_hidden_layers)} × '
            f"{count(shape.hidden_size)} · {html(record.model.model_type or 'type unknown')}</p>"
            f'<dl><div><dt>R_D/W</dt><dd>{shape.r_dw:.4f}</dd><dd class="side {side or "none"}">'
            f"{SIDES.get(side or '', 'not dense: no verdict')}</dd></div>"
            f"<div><dt>cost of the shape, in loss</dt>{_cost(cost)}</div></dl>{check}</article>"
        )
    return f'<div class="cards of{len(cards)}">{"".join(cards)}</div>' if cards else ""


def _cost(cost: ShapeCost | None) -> str:
    if cost is None:
        return "<dd>–</dd><dd class='of'>known of dense models alone</dd>"
    value, _, ends = with_interval(cost).partition(" [")
    interval = f"[{ends}" if ends else "no interval"
    beyond = ", extrapolated" if cost.extrapolates else ""
    return f"<dd>{html(value)}</dd><dd class='of'>{html(interval)} {html(cost.yardstick)}{beyond}</dd>"


def _figure(question: Question, known: Numbered) -> str:
    """The curve in two sizes, of which the style sheet shows the fitting one."""
    yardstick = shipped_yardstick(question.yardstick)
    shown = points([(number, record) for number, _, record in known], yardstick)
    if not shown:
        return ""
    wide, narrow = (
        curve_svg(shown, yardstick, width=width, height=height) for width, height in ((1100, 380), (370, 330))
    )
    caption = (
        f"By {yardstick.description}, at equal {yardstick.basis} parameters and tokens; the curve's shade is its 95 % "
        f"interval, the column what costs at most {100 * BAND:g} %; its dashes lie beyond the tested shapes. Hollow "
        "points are base models of about the same size: point at one to see its name."
    )
    doubts = "".join(f"<li>{html(doubt)}</li>" for doubt in yardstick.doubts)
    minded = f"<details><summary>What to keep in mind</summary><ul>{doubts}</ul></details>" if doubts else ""
    return (
        '<figure class="curve"><h2>Loss above that of the best shape</h2>'
        f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div>'
        f"<figcaption>{html(caption)}</figcaption>{minded}</figure>"
    )


def _side_by_side(known: Numbered) -> Table:
    """The facts in rows, a model a column."""
    records = [record for _, _, record in known]
    columns = ("", *(f"{number} · {record.model.repo_id}" for number, _, record in known))
    return Table("Side by side", columns, tuple((label, *cells) for label, cells in _facts(records)))


def _facts(records: Sequence[AuditRecord]) -> list[tuple[str, list[str]]]:
    shapes = [record.shape for record in records]
    serving = [record.serving for record in records]
    held = next((f"{cost.basis} parameters" for cost in map(_first, records) if cost), "parameters")
    return [
        ("parameters", [count(shape.params_total) for shape in shapes]),
        ("non-embedding", [of_total(shape.params_non_embedding, shape.params_total) for shape in shapes]),
        ("layers × width", [f"{count(shape.num_hidden_layers)} × {count(shape.hidden_size)}" for shape in shapes]),
        ("R_D/W", [f"{shape.r_dw:.4f}" for shape in shapes]),
        (f"cost at equal {held} and tokens", [_priced(record, "tokens") for record in records]),
        (f"cost at equal {held} and training time", [_priced(record, "training-time") for record in records]),
        ("best R_D/W", [f"{cost.best_r_dw:.4f}" if cost else "–" for cost in map(_first, records)]),
        ("KV cache per token", [byte_size(one.kv_cache_bytes_per_token or 0) if one else "–" for one in serving]),
        ("FLOPs per token", [rounded_count(one.forward_flops_per_token) if one else "–" for one in serving]),
        ("blocks in sequence", [count(one.sequential_blocks) if one else "–" for one in serving]),
        ("vocabulary", [count(shape.vocab_size) for shape in shapes]),
    ]


def _first(record: AuditRecord) -> ShapeCost | None:
    return first_cost(record.shape_cost)


def _priced(record: AuditRecord, price: str) -> str:
    cost = first_cost(record.shape_cost, price)
    return with_interval(cost) if cost else "–"
