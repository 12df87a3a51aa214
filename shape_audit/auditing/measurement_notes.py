"""What a reader should mind about measured numbers, in sentences."""

from __future__ import annotations

import math

from shape_audit.auditing.weights import FEW_WINDOWS
from shape_audit.calibration import WindowSet
from shape_audit.interaction import MIN_WINDOWS, RELIABLE_WINDOWS
from shape_audit.records import Interaction, Loss, ModelShape, SiteInteraction

UNFAMILIAR_BITS_PER_BYTE = 4.0
"""Knowing no more than how frequent each byte is gives 4 to 5 bits per byte of English text or source code."""
ROUNDED = 1e-4
"""Of a loss: a model whose logits are all alike is at ln(vocabulary) but for so much."""
DOMINANT_SHARE = 0.5
"""Of tr(G): a window with more than this outweighs all the others."""


def measurement_notes(
    windows: WindowSet, loss: Loss, interaction: Interaction, shape: ModelShape, *, tolerance: float | None
) -> list[str]:
    """Notes for the record: too few windows, a text the model does not know, noise, no gradient."""
    notes, sites = [], interaction.sites
    drawn, count = len(windows.windows), len({window.input_ids for window in windows.windows})
    if count < drawn:
        notes.append(
            f"{drawn - count} of {drawn} windows repeat another one: equal windows count as one, {count} in all; "
            "use a text that does not repeat itself"
        )
    if windows.facts.bytes is None:
        notes.append("the tokenizer does not tell which text its ids stand for: bits per byte are not known")
    unknown = sum(window.unknown for window in windows.windows)
    if unknown:
        notes.append(
            f"the tokenizer has no token for {unknown:,} characters of this text (leaves them out, or has one for all "
            "that it does not know), while bits per byte count them"
        )
    if count == 1:
        notes.append("one window: no unbiased estimate exists, plug-in values only; use at least 2, better 32")
    elif count < MIN_WINDOWS:
        notes.append(f"{count} windows: too few for intervals and for the bias correction; use at least 8, better 32")
    elif count < RELIABLE_WINDOWS:
        notes.append(f"{count} windows: the intervals rest on very few and are unreliable; use at least 8, better 32")
    elif count < FEW_WINDOWS <= drawn:  # of fewer drawn ones the report says so
        notes.append(f"{count} different windows: numbers are a rough estimate; use at least {FEW_WINDOWS}")
    if interaction.converged is False:
        widest = max((site for site in sites if site.trace != 0), key=lambda site: _half_width(site.aofe_ratio_ci))
        notes.append(
            f"not converged: after {count} windows the interval of the AOFE-ratio at {widest.name} still has a "
            f"half-width of {_half_width(widest.aofe_ratio_ci):.2g}, not {tolerance:g}; raise --max-windows or take a "
            "longer text"
        )
    if loss.bits_per_byte is not None and loss.bits_per_byte > UNFAMILIAR_BITS_PER_BYTE:
        notes.append(
            f"{loss.bits_per_byte:.1f} bits per byte: the model hardly knows this kind of text; "
            "choose one that it was trained on with --dataset"
        )
    guess = math.log(shape.vocab_size) if shape.vocab_size else math.inf
    least = loss.nats_per_token_ci[0] if loss.nats_per_token_ci else loss.nats_per_token
    if least * (1 - ROUNDED) > guess:
        notes.append(f"the loss is above ln(vocabulary) = {guess:.2f} nats: blind guessing would do better")
    noisy = [site.name for site in sites if site.below_noise_floor]
    if noisy:
        notes.append(
            f"† below the noise floor at {', '.join(noisy)}: these numbers are noise, shown as they are; "
            "use more windows"
        )
    notes += [*_rounding_notes(interaction), *(_dominant_notes(sites) if count >= MIN_WINDOWS else [])]
    silent = [site.name for site in sites if site.trace == 0]
    if silent:
        certain = " (the model is certain of this text, and its gradients underflow)" if not loss.nats_per_token else ""
        notes.append(f"no gradient reaches {', '.join(silent)}{certain}: there is no ratio to give")
    return notes


def _rounding_notes(interaction: Interaction) -> list[str]:
    """Which numbers rounding may have moved, and what would help."""
    limited = [site for site in interaction.sites if site.limited_by_rounding]
    nothing = [site.name for site in limited if site.is_rounding_only]
    some = [site for site in limited if not site.is_rounding_only]
    is_double = interaction.dtype == "float64"
    notes = []
    if nothing:
        advice = "there is nothing to measure" if is_double else "--dtype float64 would tell"
        notes.append(
            f"‡ the gradients at {', '.join(nothing)} are rounding errors, the true ones may be zero: {advice}"
        )
    if some:
        names = list(dict.fromkeys(name for site in some for name in site.limited_by_rounding))
        advice = "leave out the windows that outweigh the others" if is_double else "use --dtype float64"
        notes.append(
            f"‡ rounding may have moved {', '.join(names)} at {', '.join(site.name for site in some)} by more than a "
            f"tenth of half the interval (rounding_error in the record has by how much): {advice}"
        )
    return notes


def _dominant_notes(sites: list[SiteInteraction]) -> list[str]:
    """Sites where one window outweighs all the others, by window."""
    found: dict[int, list[SiteInteraction]] = {}
    for site in sites:
        if site.heaviest_window is not None and (site.heaviest_window_share or 0) > DOMINANT_SHARE:
            found.setdefault(site.heaviest_window, []).append(site)
    return [
        f"window {window} alone carries {_percent(min(site.heaviest_window_share or 0 for site in of_window))} or more "
        f"of tr G at {', '.join(site.name for site in of_window)}: the numbers there are about that window, and their "
        "intervals are not to be relied on; look at it (--save-windows) or use more windows"
        for window, of_window in found.items()
    ]


def _percent(share: float) -> str:
    return f"{math.floor(1000 * share) / 10:g} %"


def _half_width(interval: tuple[float, float] | None) -> float:
    return (interval[1] - interval[0]) / 2 if interval else math.inf
