"""From the sums of a site to what the record says about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shape_audit.interaction.estimators.error_bars import ErrorBars, Interval, mean_interval
from shape_audit.interaction.estimators.gradient_noise import NO_NOISE, GradientNoise
from shape_audit.interaction.estimators.rounding import Bounds, Rounding, is_limited_by_rounding
from shape_audit.interaction.estimators.sample_size import MIN_WINDOWS
from shape_audit.interaction.estimators.site_evidence import SiteEvidence
from shape_audit.interaction.estimators.statistics import QUOTIENTS, Energies, plugin_energies, unbiased
from shape_audit.interaction.estimators.window_rows import RepeatedWindows
from shape_audit.records import SiteInteraction


def site_interaction(
    name: str,
    sums: SiteEvidence,
    *,
    spectrum: int = 0,
    repeated: RepeatedWindows | None = None,
    noise: GradientNoise = NO_NOISE,
) -> SiteInteraction:
    """Everything the record says about a site.

    Args:
        spectrum: how many of the largest eigenvalues of G to give.
        repeated: which windows are equal; None for none.
        noise: what rounding of the gradients adds to energies.
    """
    rows, pair_products = sums.distinct(repeated)
    plugin, energies = plugin_energies(sums), unbiased(pair_products, rows)
    bars = ErrorBars(energies, rows) if energies is not None and len(rows) >= MIN_WINDOWS else None
    noisy = energies is not None and (
        energies.aofe < 0 or energies.total <= 0 or energies.trace2 > sums.width * energies.total
    )
    silent = plugin.total == 0  # no gradient reaches this site: zero energy, and no ratio of it
    numbers: dict[str, Any] = {}
    for quotient in QUOTIENTS:
        raw = energies.quotient(quotient) if energies else None
        numbers[quotient] = bars.corrected(quotient) if bars else raw
        numbers[f"{quotient}_raw"] = raw
        numbers[f"{quotient}_plugin"] = plugin.quotient(quotient)
        numbers[f"{quotient}_ci"] = bars.quotient_interval(quotient) if bars else None
    trace = float(rows.trace_K.sum()) / rows.tokens
    numbers |= {
        "aofe": energies.aofe if energies else None,
        "aofe_plugin": plugin.aofe,
        "aofe_ci": bars.aofe_interval() if bars else None,
        "trace": trace,
        "trace_ci": mean_interval(rows.trace_K, rows.tokens_K),
    }
    eigenvalues = sums.eigenvalues(spectrum) if spectrum else None
    numbers |= {
        "spectrum": eigenvalues,
        "spectrum_share": sum(eigenvalues) / trace if eigenvalues and trace else None,
    }
    bounds: Bounds = {}
    if not silent:
        rounding = Rounding(rows, sums.dtype, None if repeated is None else repeated.times_J, noise)
        bounds = {"trace": rounding.trace, **rounding.of_plugin(plugin)}
        bounds |= rounding.of_unbiased(energies, bars) if energies else {}
        bounds |= rounding.of_spectrum(eigenvalues) if eigenvalues else {}
    heaviest = int(rows.trace_K.argmax())
    return SiteInteraction.model_validate(
        numbers
        | {
            "name": name,
            "width": sums.width,
            "below_noise_floor": noisy and not silent,
            "rounding_error": bounds,
            "limited_by_rounding": _limited(numbers, bounds, plugin, energies or plugin),
            "heaviest_window": int(rows.index_K[heaviest]),
            "heaviest_window_share": None if silent else float(rows.trace_K[heaviest] / rows.trace_K.sum()),
        }
    )


def _limited(numbers: Mapping[str, Any], bounds: Bounds, plugin: Energies, energies: Energies) -> list[str]:
    """The numbers that rounding may have moved by more than their intervals lead one to expect."""
    found = []
    for name, bound in bounds.items():
        value: float = numbers[name][-1] if name == "spectrum" else numbers[name]
        interval: Interval | None = numbers.get(f"{name}_ci")
        half_width = None if interval is None else (interval[1] - interval[0]) / 2
        quantity = name.removesuffix("_plugin")
        if quantity in ("trace", "effective_rank"):
            largest = abs(value)
        else:
            totals = {"aofe": abs(energies.total), "aofe_plugin": plugin.total, "spectrum": numbers["trace"]}
            largest = totals.get(name, 1.0)
        # these two are 0 where channels are as any basis would be: what they are of says how many digits matter
        ratio = numbers["aofe_ratio_plugin" if name.endswith("_plugin") else "aofe_ratio"]
        whole = {"aofe_ratio_excess": ratio, "channel_alignment": 1.0}.get(quantity, value)
        if is_limited_by_rounding(whole, bound, half_width, largest=largest):
            found.append(name)
    return found
