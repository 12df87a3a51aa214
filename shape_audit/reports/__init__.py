"""A record -> terminal, Markdown, JSON. Pure functions: nothing is printed, nothing is written.

audit_text(record), comparison_text(records), interval_text(derivation)                     rich renderables
audit_markdown(record), comparison_markdown(records), interval_markdown(derivation)         str
suggestion_text(suggestion), suggestion_markdown(suggestion)                                likewise
sweep_plan_text(plan), sweep_text(rows), their Markdown and JSON                            likewise
memory_text(plan), memory_markdown(plan), memory_json(plan)                                  likewise
html_table(table)                                                                           str, escaped
as_json(record)                                                                             str
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shape_audit.lazy import lazy_names

if TYPE_CHECKING:
    from shape_audit.reports.comparison import comparison_markdown, comparison_text
    from shape_audit.reports.cost import cost_percent, cost_table, excess_with_interval, first_cost, with_interval
    from shape_audit.reports.evidence import evidence_markdown, evidence_text
    from shape_audit.reports.html_tables import html_table
    from shape_audit.reports.interval_reports import (
        interval_markdown,
        interval_sentence,
        interval_sureness,
        interval_text,
    )
    from shape_audit.reports.json_form import as_json
    from shape_audit.reports.markdown_report import audit_markdown
    from shape_audit.reports.markdown_tables import escaped, markdown_table
    from shape_audit.reports.memory import memory_json, memory_markdown, memory_sentence, memory_text, shortage
    from shape_audit.reports.numbers import (
        byte_size,
        count,
        half_width,
        interval_ends,
        of_total,
        percent,
        rounded_count,
        significant,
    )
    from shape_audit.reports.rich_tables import plain, rich_table
    from shape_audit.reports.scores import MIND, score_sources, scores_json, scores_markdown, scores_table, scores_text
    from shape_audit.reports.suggestion import suggestion_markdown, suggestion_text
    from shape_audit.reports.sweep import sweep_json, sweep_markdown, sweep_plan_markdown, sweep_plan_text, sweep_text
    from shape_audit.reports.tables import (
        Table,
        interaction_table,
        ledger_table,
        provenance_table,
        shape_table,
        without_empty_columns,
    )
    from shape_audit.reports.terminal_report import audit_text, interaction_legend
    from shape_audit.reports.verdict import SIDE_WORDS, headline, interaction_sentences, loss_sentence, sentences
    from shape_audit.reports.yardstick import yardstick_markdown, yardstick_sentence, yardstick_text

__all__ = [
    "MIND",
    "SIDE_WORDS",
    "Table",
    "as_json",
    "audit_markdown",
    "audit_text",
    "byte_size",
    "comparison_markdown",
    "comparison_text",
    "cost_percent",
    "cost_table",
    "count",
    "escaped",
    "evidence_markdown",
    "evidence_text",
    "excess_with_interval",
    "first_cost",
    "half_width",
    "headline",
    "html_table",
    "interaction_legend",
    "interaction_sentences",
    "interaction_table",
    "interval_ends",
    "interval_markdown",
    "interval_sentence",
    "interval_sureness",
    "interval_text",
    "ledger_table",
    "loss_sentence",
    "markdown_table",
    "memory_json",
    "memory_markdown",
    "memory_sentence",
    "memory_text",
    "of_total",
    "percent",
    "plain",
    "provenance_table",
    "rich_table",
    "rounded_count",
    "score_sources",
    "scores_json",
    "scores_markdown",
    "scores_table",
    "scores_text",
    "sentences",
    "shape_table",
    "shortage",
    "significant",
    "suggestion_markdown",
    "suggestion_text",
    "sweep_json",
    "sweep_markdown",
    "sweep_plan_markdown",
    "sweep_plan_text",
    "sweep_text",
    "with_interval",
    "without_empty_columns",
    "yardstick_markdown",
    "yardstick_sentence",
    "yardstick_text",
]

__getattr__ = lazy_names(
    __name__,
    {
        "MIND": "scores",
        "SIDE_WORDS": "verdict",
        "Table": "tables",
        "as_json": "json_form",
        "audit_markdown": "markdown_report",
        "audit_text": "terminal_report",
        "byte_size": "numbers",
        "comparison_markdown": "comparison",
        "comparison_text": "comparison",
        "cost_percent": "cost",
        "cost_table": "cost",
        "count": "numbers",
        "escaped": "markdown_tables",
        "evidence_markdown": "evidence",
        "evidence_text": "evidence",
        "excess_with_interval": "cost",
        "first_cost": "cost",
        "half_width": "numbers",
        "headline": "verdict",
        "html_table": "html_tables",
        "interaction_legend": "terminal_report",
        "interaction_sentences": "verdict",
        "interaction_table": "tables",
        "interval_ends": "numbers",
        "interval_markdown": "interval_reports",
        "interval_sentence": "interval_reports",
        "interval_sureness": "interval_reports",
        "interval_text": "interval_reports",
        "ledger_table": "tables",
        "loss_sentence": "verdict",
        "markdown_table": "markdown_tables",
        "memory_json": "memory",
        "memory_markdown": "memory",
        "memory_sentence": "memory",
        "memory_text": "memory",
        "of_total": "numbers",
        "percent": "numbers",
        "plain": "rich_tables",
        "provenance_table": "tables",
        "rich_table": "rich_tables",
        "rounded_count": "numbers",
        "score_sources": "scores",
        "scores_json": "scores",
        "scores_markdown": "scores",
        "scores_table": "scores",
        "scores_text": "scores",
        "sentences": "verdict",
        "shape_table": "tables",
        "shortage": "memory",
        "significant": "numbers",
        "suggestion_markdown": "suggestion",
        "suggestion_text": "suggestion",
        "sweep_json": "sweep",
        "sweep_markdown": "sweep",
        "sweep_plan_markdown": "sweep",
        "sweep_plan_text": "sweep",
        "sweep_text": "sweep",
        "with_interval": "cost",
        "without_empty_columns": "tables",
        "yardstick_markdown": "yardstick",
        "yardstick_sentence": "yardstick",
        "yardstick_text": "yardstick",
    },
)
