"""Answers of a measuring process -> HTML: how far it is, and how channels interact."""

from __future__ import annotations

from shape_audit.app.answer import Answer, Answers
from shape_audit.escaping import html
from shape_audit.reports import html_table, interaction_legend, interaction_sentences, interaction_table, loss_sentence


def measured_html(answers: Answers) -> str:
    """All that is measured so far."""
    parts = "".join(map(_model, answers))
    return f'<div class="audit measured"><h2>Measured</h2>{parts}</div>'


def _model(answer: Answer) -> str:
    name = html(answer.name)
    if answer.problem is not None:
        return f'<p class="problem" role="alert">{html(answer.problem)}</p>'
    if answer.record is None:
        done, total = answer.windows or (0, 0)
        counted = f", {done} of {total} windows" if total else ""
        bar = f'<progress max="{total}" value="{done}"></progress>' if total else ""
        return f'<p class="waiting" role="status">{name}: {html(answer.step or "waiting")}{counted} {bar}</p>'
    record, table = answer.record, interaction_table(answer.record)
    said = [*interaction_sentences(record), loss_sentence(record)]
    legend = f'<p class="of">{html(interaction_legend(record))}</p>'
    sites = f'<div class="across">{html_table(table)}</div>{legend}' if table else ""
    return f"<h3>{name}</h3>{''.join(f'<p>{html(sentence)}</p>' for sentence in said if sentence)}{sites}"
