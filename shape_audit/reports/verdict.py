"""What an audit found, in sentences someone understands who has not read the paper."""

from __future__ import annotations

import math
from collections.abc import Sequence

from shape_audit.interaction import OF_THE_WHOLE_MODEL
from shape_audit.records import AuditRecord, SiteInteraction
from shape_audit.reports.cost import cost_headline, serving_sentence
from shape_audit.reports.depth import skip_sentence
from shape_audit.reports.numbers import half_width, interval_ends, percent, ratio, significant
from shape_audit.reports.width import width_sentence
from shape_audit.shape import shape_in_doubt

FEW_WINDOWS = 32
"""Below so many windows, repeated audits with other seeds differ in the second digit."""

SIDE_WORDS = {
    "inside": "inside the efficient interaction interval",
    "shallow-wide": "below the efficient interaction interval: shallow for its width",
    "deep-narrow": "above the efficient interaction interval: deep for its width",
}


def headline(record: AuditRecord) -> str:
    """What the shape costs; of an older record, or a model that is not dense, where it stands. Where config and tensors
    disagree about the shape, that comes first."""
    said = cost_headline(record) or standing(record)
    in_doubt = "; ".join(shape_in_doubt(record.notes))
    return f"Config and tensors disagree about the shape: {in_doubt}. By the config alone, {said}" if in_doubt else said


def standing(record: AuditRecord) -> str:
    """The paper's verdict on the shape, in one clause; that there is none where the model is not dense."""
    if not record.shape.is_dense or record.placement.side is None:
        return f"{record.model.label} is not a dense model: the paper makes no claim about it, so there is no verdict"
    return f"{record.model.label} is {SIDE_WORDS[record.placement.side]}"


def shape_sentence(record: AuditRecord) -> str:
    """Depth, width and ratio; of a dense model also the interval, and which depths would lie inside."""
    shape, interval = record.shape, record.placement.interval
    coordinate = f"{shape.num_hidden_layers} layers on a width of {shape.hidden_size:,}: R_D/W = {shape.r_dw:.4f}"
    if not shape.is_dense:
        return f"{coordinate}. The interval is for dense models and does not apply."
    ends = f"{interval_ends(interval.low, interval.high)} ({interval.name})"
    sentence = f"{standing(record)}, {ends}." if record.shape_cost else f"{coordinate}, interval {ends}."
    if record.placement.side != "inside":
        sentence += f" At this width, {_depths_inside(record)}."
    return sentence


def _depths_inside(record: AuditRecord) -> str:
    """The whole numbers of layers that the interval allows at the model's width."""
    width, interval = record.shape.hidden_size, record.placement.interval
    fewest = max(1, math.ceil(interval.low * width)) if interval.low is not None else None
    most = math.floor(interval.high * width) if interval.high is not None else None
    if most is None:
        return f"{fewest} or more layers would be inside"
    if most < 1:
        return "no number of layers would be inside"
    if fewest is None:
        return f"{most} or fewer layers would be inside"
    if fewest > most:
        return "no number of layers would be inside"
    if fewest < most:
        return f"{fewest} to {most} layers would be inside"
    return f"{fewest} layer{'s' if fewest != 1 else ''} would be inside"


def interaction_sentences(record: AuditRecord) -> list[str]:
    """How many directions gradients use, how channels lie to them, and the AOFE-ratio beside that of a random basis, at
    the first and the last site measured; nothing for a shape-only record."""
    if record.interaction is None or record.loss is None or record.calibration is None:
        return []
    sites = record.interaction.sites
    ends = [sites[0], sites[-1]] if len(sites) > 1 else sites
    if any(site.aofe_ratio is None for site in ends):
        return []
    if any(site.below_noise_floor for site in ends):
        return ["How channels interact cannot be told from so few windows: the estimates are noise."]
    if any(site.is_rounding_only for site in ends):
        return ["How channels interact cannot be told: the gradients are rounding errors, the true ones may be zero."]
    few = record.interaction.windows_used < FEW_WINDOWS
    rough = [f"From {record.interaction.windows_used} windows this is a rough estimate."] if few else []
    is_loss = record.interaction.protocol == "loss-gradient"
    subject = "On this text gradients use" if is_loss else f"The {record.interaction.protocol} AGOP uses"
    used = " and ".join(_directions(site) for site in ends)
    return [f"{subject} {used}.", *_alignment(ends), _ratio(ends, record.interaction.protocol), *rough]


def _directions(site: SiteInteraction) -> str:
    rank = significant(site.effective_rank)
    return f"{percent(site.share_of_width)} of the width at {site.name} ({rank} of {site.width:,} directions)"


def _alignment(ends: Sequence[SiteInteraction]) -> list[str]:
    if any(site.channel_alignment is None for site in ends):
        return []
    found = " and ".join(_value(site.channel_alignment, site.channel_alignment_ci) for site in ends)
    return [f"Channel alignment is {found}: 0 if channels were as those of any basis, 1 if each acted alone."]


def _ratio(ends: Sequence[SiteInteraction], protocol: str) -> str:
    pairs = " and ".join(
        f"{_value(site.aofe_ratio, site.aofe_ratio_ci)} where a random basis has {ratio(site.aofe_ratio_random_basis)}"
        for site in ends
    )
    sentence = f"The AOFE-ratio, the paper's quantity, is {pairs}: it follows the share of directions used"
    if protocol in OF_THE_WHOLE_MODEL:  # the basis of its matrix is not the stream's
        return f"{sentence}."
    return (
        f"{sentence}, and alone it is not a property of the function (a model with RMSNorm can be rotated to another "
        "ratio with the same outputs)."
    )


def _value(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None or interval is None:
        return "–" if value is None else f"{value:.2f}"
    return f"{value:.3f} {half_width(interval)}"


def loss_sentence(record: AuditRecord) -> str | None:
    """How well the model predicts the text; None for a shape-only record."""
    if record.loss is None or record.calibration is None:
        return None
    bits = ""
    if record.loss.bits_per_byte is not None:
        bits = f" ({record.loss.bits_per_byte:.3f}{_spaced(record.loss.bits_per_byte_ci)} bits per byte)"
    text = record.calibration
    plural = "window" if text.windows == 1 else "windows"
    nats = f"{record.loss.nats_per_token:.4f}{_spaced(record.loss.nats_per_token_ci)}"
    return (
        f"It predicts {text.dataset} at {nats} nats per token{bits}, "
        f"over {text.windows} {plural} of {text.seq_len} tokens."
    )


def _spaced(interval: tuple[float, float] | None) -> str:
    return f" {half_width(interval)}" if interval else ""


def sentences(record: AuditRecord) -> list[str]:
    """All of it but the headline, in order, the caveat last."""
    serving = serving_sentence(record.serving) if record.serving else None
    measured = [*interaction_sentences(record), skip_sentence(record), width_sentence(record), loss_sentence(record)]
    found = [shape_sentence(record), *measured, serving]
    caveat = [f"A coordinate, not a grade: {record.placement.caveat}."] if record.shape.is_dense else []
    return [s for s in found if s] + caveat
