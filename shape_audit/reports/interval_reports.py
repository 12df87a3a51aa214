"""The reports of an interval's derivation: terminal and Markdown."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from shape_audit.records import IntervalDerivation
from shape_audit.reports.markdown_tables import escaped, markdown_table
from shape_audit.reports.numbers import interval_ends
from shape_audit.reports.rich_tables import plain, rich_table
from shape_audit.reports.tables import budget_table, sensitivity_table


def interval_sentence(derivation: IntervalDerivation) -> str:
    """The interval in one sentence, an empty one too."""
    budgets = len(derivation.budgets)
    basis = (
        f"{derivation.name}; {budgets} budget{'s' if budgets != 1 else ''} from {derivation.min_params:,.0f} parameters"
    )
    if derivation.is_empty and derivation.low is not None and derivation.high is not None:
        return (
            f"No R_D/W is within the tolerance at every budget: one asks for {derivation.low:.4f} or more, another "
            f"for {derivation.high:.4f} or less ({basis})."
        )
    return f"Efficient interaction interval of R_D/W: {interval_ends(derivation.low, derivation.high)} ({basis})."


def interval_text(derivation: IntervalDerivation) -> RenderableType:
    """The sentence, the budgets, the sensitivity."""
    return Group(
        plain(interval_sentence(derivation), style="bold"),
        plain(f"Source: {derivation.source}"),
        Text(),
        rich_table(budget_table(derivation)),
        plain("An open end is the outermost shape that was scanned: it does not bind."),
        Text(),
        rich_table(sensitivity_table(derivation)),
    )


def interval_markdown(derivation: IntervalDerivation) -> str:
    """Markdown with a final line end."""
    parts = [
        f"# {escaped(interval_sentence(derivation))}",
        f"Source: {escaped(derivation.source)}",
        markdown_table(budget_table(derivation)),
        "An open end is the outermost shape that was scanned: it does not bind.",
        markdown_table(sensitivity_table(derivation)),
    ]
    return "\n\n".join(parts) + "\n"
