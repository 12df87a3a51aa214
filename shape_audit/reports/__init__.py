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
    from shape_audit.reports.memory import memory_json, memory_markdown, memory_text, shortage
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
    from shape_audit.reports.rich_tables import FittedTable, plain
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
    "FittedTable",
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
    "memory_text",
    "of_total",
    "percent",
    "plain",
    "provenance_table",
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
        "comparison": "comparison_markdown comparison_text",
        "cost": "cost_percent cost_table excess_with_interval first_cost with_interval",
        "evidence": "evidence_markdown evidence_text",
        "html_tables": "html_table",
        "interval_reports": "interval_markdown interval_sentence interval_sureness interval_text",
        "json_form": "as_json",
        "markdown_report": "audit_markdown",
        "markdown_tables": "escaped markdown_table",
        "memory": "memory_json memory_markdown memory_text shortage",
        "numbers": "byte_size count half_width interval_ends of_total percent rounded_count significant",
        "rich_tables": "FittedTable plain",
        "scores": "MIND score_sources scores_json scores_markdown scores_table scores_text",
        "suggestion": "suggestion_markdown suggestion_text",
        "sweep": "sweep_json sweep_markdown sweep_plan_markdown sweep_plan_text sweep_text",
        "tables": "Table interaction_table ledger_table provenance_table shape_table without_empty_columns",
        "terminal_report": "audit_text interaction_legend",
        "verdict": "SIDE_WORDS headline interaction_sentences loss_sentence sentences",
        "yardstick": "yardstick_markdown yardstick_sentence yardstick_text",
    },
)
