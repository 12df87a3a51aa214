"""One model by itself: sentences, ledger, costs, serving, scores, findings, and where all that comes from."""

from __future__ import annotations

from urllib.parse import quote

from shape_audit.app.answer import Answer, Findings
from shape_audit.app.cost_curve import neighbours
from shape_audit.checks import where
from shape_audit.escaping import html
from shape_audit.records import AuditRecord, Finding
from shape_audit.reports import (
    MIND,
    Table,
    cost_percent,
    cost_table,
    headline,
    html_table,
    ledger_table,
    of_total,
    provenance_table,
    rounded_count,
    score_sources,
    scores_table,
    sentences,
    shape_table,
)
from shape_audit.shape import size_neighbours
from shape_audit.yardsticks import law_cost, shipped_yardstick

HUB = "https://huggingface.co/"


def model_section(number: int, answer: Answer, *, is_open: bool) -> str:
    """All that is known of a model, which can be folded.

    Args:
        number: by which the picture and the cards call it.
        answer: with a record.
    """
    record = answer.record
    assert record is not None
    parts = [
        f'<p class="lede">{html(headline(record))}</p>',
        *(f"<p>{html(sentence)}</p>" for sentence in sentences(record)),
        _ledger(record),
        f'<div class="pair">{_across(ledger_table(record))}{_across(shape_table(record))}</div>',
        _across(cost_table(record)),
        _neighbours(record),
        _scores(record),
        _findings(answer.findings),
        _notes(record),
        _across(provenance_table(record)),
    ]
    name = html(record.model.repo_id)
    return (
        f'<details class="model m{number}"{" open" if is_open else ""}><summary><span class="badge">{number}</span>'
        f"{name}: all that is known</summary>{''.join(parts)}</details>"
    )


def hub_link(record: AuditRecord) -> str:
    """The model's name, with a link to its page where it has one."""
    name = html(record.model.repo_id)
    if record.model.source != "hub":
        return f'<span class="name">{name}</span>'
    address = f"{HUB}{quote(record.model.repo_id)}/tree/{quote(record.model.revision, safe='')}"
    return f'<a class="name" href="{html(address)}" target="_blank" rel="noopener noreferrer">{name}</a>'


def _across(table: Table | None) -> str:
    return f'<div class="across">{html_table(table)}</div>' if table else ""


def _ledger(record: AuditRecord) -> str:
    """Where the parameters sit, as one bar."""
    total = record.shape.params_total
    if not record.shape.has_known_roles or total <= 0:
        return ""
    sizes = record.shape.ledger.model_dump()
    parts = [(html(role.replace("_", "-")), size, of_total(size, total)) for role, size in sizes.items() if size]
    bar = "".join(
        f'<span class="{role}" style="flex-grow:{size / total:.4f}" title="{role} {share}"></span>'
        for role, size, share in parts
    )
    key = "".join(f'<li><span class="swatch {role}"></span>{role} {share}</li>' for role, _, share in parts)
    heading = "<h3>Where the parameters sit</h3>"
    return f'{heading}<div class="ledger" aria-hidden="true">{bar}</div><ul class="key">{key}</ul>'


def _neighbours(record: AuditRecord) -> str:
    """Base models of about the same size, and what their shapes cost by the same curve."""
    if not record.shape_cost:
        return ""
    yardstick = shipped_yardstick(record.shape_cost[0].yardstick)
    near = sorted(neighbours(record), key=lambda one: one.r_dw)
    rows = tuple(
        (
            one.repo_id,
            rounded_count(one.params_total),
            f"{one.num_hidden_layers} × {one.hidden_size:,}",
            f"{one.r_dw:.4f}",
            cost_percent(law_cost(yardstick, one.r_dw)[0]),
        )
        for one in near
    )
    table = Table("Base models nearest in size", ("model", "parameters", "shape", "R_D/W", "cost"), rows)
    all_near = size_neighbours(record.shape.params_total, record.placement.interval)
    said = ""
    if all_near.r_dw_lowest is not None and all_near.r_dw_highest is not None and all_near.r_dw_median is not None:
        said = (
            f"<p>Of the {all_near.n} known base models within {all_near.factor:g} times its size, R_D/W goes from "
            f"{all_near.r_dw_lowest:.4f} to {all_near.r_dw_highest:.4f}; half of them lie below "
            f"{all_near.r_dw_median:.4f}.</p>"
        )
    return said + _across(table)


def _scores(record: AuditRecord) -> str:
    if not record.scores:
        return "<h3>MMLU-Pro</h3><p>No score of this model is known.</p>"
    sources = "".join(f"<li>{html(line)}</li>" for line in (*score_sources(record.scores), MIND))
    return _across(scores_table(record.model.repo_id, record.scores)) + f'<ul class="sources">{sources}</ul>'


def _findings(found: Findings | None) -> str:
    if found is None:
        return ""
    rows = "".join(map(_finding, found.findings))
    return (
        f"<h3>Findings of check: {html(found.verdict)}</h3><ul class='findings'>{rows}</ul>"
        f"<p class='of'>{html(found.rules_run)}: options of the command line</p>"
    )


def _finding(finding: Finding) -> str:
    return (
        f'<li class="{html(finding.severity)}"><strong>{html(finding.severity)} {html(finding.rule)}</strong> '
        f"{html(finding.name)} <code>{html(where(finding))}</code><br>{html(finding.message)}<br>"
        f"<span class='of'>{html(finding.fix)}</span></li>"
    )


def _notes(record: AuditRecord) -> str:
    notes = "".join(f"<li>{html(note)}</li>" for note in record.notes)
    return f"<h3>Notes</h3><ul>{notes}</ul>" if notes else ""
