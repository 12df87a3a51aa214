"""The rows of every table, once for all formats: cells are finished text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shape_audit.reports.numbers import (
    count,
    half_width,
    interval_ends,
    of_total,
    percent,
    ratio,
    relative_half_width,
    rounded_count,
    significant,
)

if TYPE_CHECKING:  # an audit's report is not to wait for the forms of an interval's
    from shape_audit.records import AuditRecord, FittedBest, IntervalDerivation, SiteInteraction

SHOWN_EIGENVALUES = 5

Cell = str | tuple[str, ...]
"""Finished text, in one line or in several."""


def lines(cell: Cell) -> tuple[str, ...]:
    """The lines of a cell."""
    return (cell,) if isinstance(cell, str) else cell


@dataclass(frozen=True)
class Table:
    """A table of finished cells.

    Attributes:
        numeric: whether columns after the first are right-aligned.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: bool = True


NONE = "–"


def without_empty_columns(table: Table) -> Table:
    """The table without the columns that say nothing in any row."""
    told = [i for i in range(len(table.columns)) if i == 0 or any(set(lines(row[i])) != {NONE} for row in table.rows)]
    rows = tuple(tuple(row[i] for i in told) for row in table.rows)
    return replace(table, columns=tuple(table.columns[i] for i in told), rows=rows)


def shape_table(record: AuditRecord) -> Table:
    """The facts of the shape, one a row."""
    shape, distance = record.shape, record.placement.log_distance
    heads = count(shape.num_attention_heads)
    if shape.num_key_value_heads != shape.num_attention_heads:
        heads += f" ({count(shape.num_key_value_heads)} key/value)"
    feed_forward = count(shape.intermediate_size)
    if shape.feed_forward_ratio is not None:
        feed_forward += f" ({significant(shape.feed_forward_ratio)} × width)"
    layers = f"{count(shape.num_hidden_layers)} × {count(shape.hidden_size)}"
    if shape.num_mtp_blocks:
        layers += f" and {shape.num_mtp_blocks} MTP block{'s' if shape.num_mtp_blocks > 1 else ''}"
    rows = [
        ("layers × width", layers),
        ("R_D/W", f"{shape.r_dw:.6f}"),
        ("log-distance to interval", significant(distance) if shape.is_dense else "–"),
        ("feed-forward width", feed_forward),
        ("attention heads", heads),
        ("head dim", count(shape.head_dim)),
        ("vocabulary", count(shape.vocab_size) + (", tied" if shape.tie_word_embeddings else ", untied")),
        ("positions", count(shape.max_position_embeddings)),
        ("dense", "yes" if shape.is_dense else "no"),
    ]
    if shape.quantization is not None:
        scales = f", {count(shape.quantization_scales)} scales apart" if shape.quantization_scales else ""
        rows.append(("quantised", shape.quantization + scales))
    return Table("Shape", ("", ""), tuple(rows))


def ledger_table(record: AuditRecord) -> Table:
    """Parameters by role, with totals; where many have no known role, these and the totals alone."""
    total, ledger = record.shape.params_total, record.shape.ledger
    parts = list(ledger.model_dump().items())
    if not record.shape.has_known_roles:
        parts = [("role unknown", ledger.other)]
    rows = [(role.replace("_", "-"), count(part), of_total(part, total)) for role, part in parts]
    non_embedding = record.shape.params_non_embedding
    rows += [("total", count(total), "")]
    if record.shape.params_mtp:
        rows += [("with MTP", count(total + record.shape.params_mtp), "")]
    rows += [("non-embedding", count(non_embedding), of_total(non_embedding, total))]
    return Table("Parameters", ("", "count", "share"), tuple(rows))


def interaction_table(record: AuditRecord) -> Table | None:
    """Directions used, alignment, and the AOFE-ratio beside a random basis's, one row a site; None for a shape-only
    record."""
    if record.interaction is None:
        return None
    rows = tuple(
        (
            _marked(site),
            _with_interval(site.effective_rank, site.effective_rank_ci),
            percent(site.share_of_width),
            _stacked(ratio(site.channel_alignment), half_width(site.channel_alignment_ci)),
            _stacked(ratio(site.aofe_ratio), half_width(site.aofe_ratio_ci)),
            _stacked(ratio(site.aofe_ratio_random_basis), half_width(site.aofe_ratio_random_basis_ci)),
            ratio(site.aofe_ratio_plugin),
        )
        for site in record.interaction.sites
    )
    columns = ("site", "eff. rank", "of width", "alignment", "AOFE-ratio", "random basis", "plug-in")
    return Table(f"Interaction ({record.interaction.protocol}, {record.interaction.dtype})", columns, rows)


def energy_table(record: AuditRecord) -> Table | None:
    """What the ratios are made of, one row a site; None for a shape-only record."""
    if record.interaction is None:
        return None
    rows = tuple(
        (
            _marked(site),
            _with_interval(site.aofe, site.aofe_ci),
            _with_interval(site.trace, site.trace_ci),
            _with_interval(site.aofe_normalized, site.aofe_normalized_ci),
            _with_interval(site.mean_cos2, site.mean_cos2_ci),
        )
        for site in record.interaction.sites
    )
    return Table("Energies", ("site", "AOFE", "tr G", "AOFE/tr²", "mean cos²"), rows)


def _marked(site: SiteInteraction) -> str:
    return site.name + (" †" if site.below_noise_floor else "") + (" ‡" if site.limited_by_rounding else "")


def spectrum_table(record: AuditRecord) -> Table | None:
    """The largest eigenvalues of each site's AGOP, as shares of its trace; None where none were asked for."""
    if record.interaction is None or not any(site.spectrum for site in record.interaction.sites):
        return None
    sites = [site for site in record.interaction.sites if site.spectrum]
    rows = tuple(
        (
            site.name,
            "–" if site.spectrum_share is None else f"{100 * site.spectrum_share:.1f} %",
            " ".join(significant(eigenvalue) for eigenvalue in (site.spectrum or [])[:SHOWN_EIGENVALUES]),
        )
        for site in sites
    )
    asked = max(len(site.spectrum or []) for site in sites)
    title = f"Spectrum ({asked} largest eigenvalues of the plug-in AGOP)"
    return Table(title, ("site", "share of tr G", f"largest {min(asked, SHOWN_EIGENVALUES)}"), rows)


def _with_interval(value: float | None, interval: tuple[float, float] | None) -> Cell:
    return _stacked(significant(value), relative_half_width(value, interval))


def _stacked(value: str, interval: str) -> Cell:
    """A number with its half-width below it."""
    return (value, interval) if interval else value


def provenance_table(record: AuditRecord) -> Table:
    """Where the numbers come from."""
    rows = [
        ("model", f"{record.model.label} ({record.model.source})"),
        ("revision", record.model.revision),
        ("architecture", f"{record.model.architecture or '–'} ({record.model.model_type or '–'})"),
        ("interval", f"{record.placement.interval.name}; {record.placement.interval.source}"),
    ]
    if record.calibration and record.interaction:
        text = record.calibration
        rows += [
            ("text", f"{text.dataset}, sha256 {text.text_sha256[:16]}"),
            (
                "windows",
                f"{text.windows} of {text.seq_len} tokens, seed {'–' if text.seed is None else text.seed}",
            ),
            ("protocol", record.interaction.protocol_hash[:16]),
            ("attention", record.interaction.attn_implementation),
        ]
    rows.append(("record", record.record_sha256[:16]))
    return Table("Where this comes from", ("", ""), tuple(rows), numeric=False)


def budget_table(derivation: IntervalDerivation) -> Table:
    """The range of R_D/W each budget allows, and where the fit has the best."""
    fitted = {best.target_params: (fitted_best(best),) for best in (derivation.fit.best if derivation.fit else ())}
    rows = tuple(
        (
            rounded_count(budget.target_params),
            f"{budget.within} of {budget.shapes}",
            f"{budget.best_r_dw:.4f}",
            significant(budget.best_loss, 4),
            f"{budget.low:.4f}" + (" open" if "low" in budget.open_edges else ""),
            f"{budget.high:.4f}" + (" open" if "high" in budget.open_edges else ""),
            *fitted.get(budget.target_params, ()),
        )
        for budget in derivation.budgets
    )
    columns = ["budget", "within", "best", "loss", "low", "high"]
    columns += ["fitted best"] if fitted else []
    return Table(f"R_D/W within {derivation.tolerance * 100:g} % of each budget's best loss", tuple(columns), rows)


def fitted_best(best: FittedBest) -> str:
    """The best shape of a fit, with its interval."""
    ends = f" [{best.r_dw_ci[0]:.3f}, {best.r_dw_ci[1]:.3f}]" if best.r_dw_ci else ""
    return f"{best.r_dw:.4f}{ends}" + ("" if best.is_scanned else " beyond")


def sensitivity_table(derivation: IntervalDerivation) -> Table:
    """How the interval moves with the tolerance."""
    rows = tuple(
        (
            f"{row.tolerance * 100:g} %" + (" *" if row.tolerance == derivation.tolerance else ""),
            f"empty ({row.low:.4f} > {row.high:.4f})"
            if row.is_empty and row.low is not None and row.high is not None
            else interval_ends(row.low, row.high),
        )
        for row in derivation.sensitivity
    )
    return Table("Sensitivity to the tolerance", ("tolerance", "interval"), rows)
