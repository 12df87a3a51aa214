"""The sentences of the page: evidence, interval, filters, where the numbers are from. All of it escaped HTML."""

from __future__ import annotations

from collections import Counter

from shape_audit.escaping import html
from shape_audit.leaderboard.build.assembling import why_no_evidence
from shape_audit.leaderboard.build.comparable import largest_comparable_set
from shape_audit.leaderboard.build.few_windows import without_intervals
from shape_audit.leaderboard.page.data import link_of, protocol_label
from shape_audit.leaderboard.page.shown_order import has_scores
from shape_audit.records import Board, LinkEvidence
from shape_audit.reports import interval_ends

_CLAIMS = {"loss": "Loss at equal size", "benchmarks": "Benchmarks at equal size"}
SIDES = (("inside", "◆ inside"), ("shallow-wide", "▼ shallow-wide"), ("deep-narrow", "▲ deep-narrow"))


def interval_html(board: Board) -> str:
    """The interval with its name and its source's caveat, for the opening paragraph."""
    interval = board.interval
    return (
        f"<strong>{interval_ends(interval.low, interval.high)}</strong> ({html(interval.name)}). "
        f"A placement is a coordinate, not a grade: {html(board.caveat)}."
    )


def few_windows_html(board: Board) -> str:
    """A word above the table on numbers that have no intervals."""
    words = without_intervals(board.rows)
    return f'<p class="verdict">{html(words)}.</p>' if words else ""


def verdict_html(board: Board) -> str:
    """The verdicts in one line, above the folded evidence."""
    if not board.evidence:
        return "Nothing can be said: too few models of this board have a score"
    first = board.evidence[0]
    told = [*(f"{_CLAIMS[one.claim]}: {one.verdict}" for one in first.controlled), f"MMLU-Pro: {first.verdict}"]
    return html("; ".join(told))


def evidence_html(board: Board) -> str:
    """The verdict and its paragraph, and how many models it rests on, with and without those at the floor."""
    if not board.evidence:
        return (
            '<p class="verdict"><strong>Nothing can be said.</strong> Too few models of this board have a score to '
            f"hold against their shape: {html(why_no_evidence(board))}.</p>"
        )
    first, others = board.evidence[0], board.evidence[1:]
    parts = [
        *(
            f"<h3>{html(_CLAIMS[one.claim])}: {one.n_models} models trained alike ({html(one.suite)})</h3>"
            f'<p class="verdict controlled"><strong>{html(one.verdict.capitalize())}.</strong> {html(one.summary)}</p>'
            for one in first.controlled
        ),
        f"<h3>MMLU-Pro across families: {first.n_models} published models</h3>" if first.controlled else "",
        f'<p class="verdict"><strong id="verdict">{html(first.verdict.capitalize())}.</strong> '
        f'<span id="summary">{html(first.summary)}</span></p>',
        '<div class="across" tabindex="0" role="region" aria-label="What the evidence rests on">'
        '<table class="small"><caption>What it rests on: scores by '
        f"{html(protocol_label(first.protocol))} (<code>{html(first.protocol)}</code>)</caption>"
        '<thead><tr><th scope="col">models</th><th scope="col">n</th><th scope="col">families</th>'
        '<th scope="col">shapes</th><th scope="col">at the floor</th><th scope="col">inside / outside</th>'
        '<th scope="col">verdict</th></tr></thead><tbody>',
        *(_evidence_row(one) for one in board.evidence),
        "</tbody></table></div>",
        *(
            f"<details><summary>{html(_which(one))}: {html(one.verdict)}</summary><p>{html(one.summary)}</p></details>"
            for one in others
        ),
    ]
    if first.left_out:
        lines = "".join(f"<li>{html(line)}</li>" for line in first.left_out)
        parts.append(f"<details><summary>Left out of the evidence</summary><ul>{lines}</ul></details>")
    return "\n".join(parts)


def _evidence_row(one: LinkEvidence) -> str:
    contrast = one.contrast
    sides = f"{contrast.n_inside} / {contrast.n_outside}" if contrast else "–"
    numbers = (one.n_models, one.n_families, one.n_shapes, one.n_at_floor if one.with_floor else "left out", sides)
    cells = "".join(f"<td>{number}</td>" for number in numbers)
    return f'<tr><th scope="row">{html(_which(one))}</th>{cells}<td>{html(one.verdict)}</td></tr>'


def _which(one: LinkEvidence) -> str:
    if one.with_floor:
        return "All with a score"
    return f"Without the {one.n_at_floor} at the chance floor"


def filters_html(board: Board) -> str:
    """Options of the selects that the script filters the table by."""
    families = sorted({row.family for row in board.rows if row.family})
    groups = sorted({row.group for row in board.rows})
    protocols = [
        (str(number), protocol_label(name)) for number, name in enumerate(board.protocols) if has_scores(board, name)
    ]
    sides = [*SIDES, *([("failed", "✕ not audited")] if any(row.failure for row in board.rows) else [])]
    licenses = sorted({row.license for row in board.rows if row.license}, key=str.casefold)
    selects = [
        _select("group", "Listed under", "all", [(name, name) for name in groups if len(groups) > 1]),
        _select("family", "Family", "all families", [(name, name) for name in families]),
        _select("side", "Placement", "any placement", sides),
        _select("protocol", "Scored under", "any protocol or none", protocols),
        _select("license", "Licence", "any licence", [(name, name) for name in licenses]),
    ]
    return "\n".join(filter(None, selects))


def _select(name: str, label: str, everything: str, options: list[tuple[str, str]]) -> str:
    """Nothing where there is nothing to choose."""
    if not options:
        return ""
    inner = "".join(f'<option value="{html(value)}">{html(text)}</option>' for value, text in options)
    return f'<label>{label}<select id="filter-{name}"><option value="">{everything}</option>{inner}</select></label>'


def provenance_html(board: Board) -> str:
    """Where the numbers are from, and what keeps them apart."""
    sources: Counter[str] = Counter(row.source for row in board.rows)
    comparable = largest_comparable_set(board.rows)
    interval = board.interval
    shapes = [
        f"{sources[source]:,} {words}"
        for source, words in (
            ("record", "from audit records (file, hash and revision stand in each row's details)"),
            ("shipped table", "from the table of known models that ships with shape-audit"),
            ("none", "could not be audited; the reason stands in the row"),
        )
        if sources[source]
    ]
    interaction = (
        f"{len(comparable.rows):,} models were measured by {comparable.measured_as}; only these are sorted and plotted "
        "together, since the numbers depend on all three"
        if comparable.setting
        else "no model of this board was measured at the embedding"
    )
    others = f". Not among them: {'; '.join(comparable.left_out)}" if comparable.left_out else ""
    facts = [
        ("Shapes", ("; ".join(shapes) or "none") + "."),
        ("Interval", f"{interval.name} {interval_ends(interval.low, interval.high)}, {interval.source}; "
         f"{board.caveat}."),
        ("Scores", "By protocol, never pooled; each with its source and date in its row's details. Protocols: "
         + (", ".join(f"{protocol_label(name)} ({name})" for name in board.protocols) or "none") + "."),
        ("Interaction", f"{interaction}{others}."),
        ("Manifest", f"sha256 {board.manifest_sha256}"),
    ]  # fmt: skip
    listed = "".join(f"<dt>{name}</dt><dd>{_linked(text)}</dd>" for name, text in facts)
    notes = "".join(f"<li>{_linked(note)}</li>" for note in board.notes)
    return f"<dl>{listed}</dl>" + (f"<h3>Notes</h3><ul>{notes}</ul>" if notes else "")


def _linked(text: str) -> str:
    """A text that is nothing but an address becomes a link; all else is text."""
    address = link_of(text)
    if address is None:
        return html(text)
    return f'<a href="{html(address)}" rel="noopener noreferrer">{html(address)}</a>'
