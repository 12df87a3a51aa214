"""The part of an audit that says what a model does with its depth and width, and what leaving blocks out costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shape_audit.calibration import WindowSet
from shape_audit.errors import NonFiniteError, NotAuditableError, UsageError
from shape_audit.interaction import MeasureOptions
from shape_audit.records import BlockUse, DepthSummary, ModelUse, SpanUse

if TYPE_CHECKING:
    from shape_audit.auditing.progress import Progress
    from shape_audit.interaction import Profile, ProfilePass, SkippedLoss

CHEAP_SHARE = 0.01
"""Of the loss: a block that raises it by less is called cheap."""
CHEAP_MEASURES = ("block_influence", "update_size", "gradient_influence", "first_order_saving")


def model_use(
    profile: Profile,
    a_pass: ProfilePass,
    windows: WindowSet,
    options: MeasureOptions,
    progress: Progress,
) -> tuple[ModelUse | None, list[str]]:
    """What each block does, and if asked for what it is worth, with notes on what could not be said.

    Args:
        profile: of the pass.

    Raises:
        UsageError: more blocks are to be left out than there are.
    """
    if profile.blocks is None:
        return None, []
    use = ModelUse(blocks=profile.blocks, sites=profile.widths)
    if not options.skip:
        return use, []
    blocks = use.blocks
    if options.skip_spans is not None and options.skip_spans > len(blocks):
        raise UsageError(f"--skip-spans {options.skip_spans}: the model has {len(blocks)} blocks")
    from shape_audit.interaction import BlockSkipping

    some = windows.first(min(options.skip_windows, len(windows.windows)))
    total = len(some.windows)
    progress.step("leaving out blocks")
    skipping = BlockSkipping(
        a_pass.loaded,
        a_pass.blocks,
        some.windows,
        micro_batch=min(a_pass.micro_batch, total),
        processes=a_pass.processes,
    )
    try:
        singles = skipping.singles(lambda done: progress.windows(done, total, done * some.seq_len))
        span = skipping.cheapest_span(options.skip_spans, singles) if options.skip_spans else None
    except (NotAuditableError, NonFiniteError) as error:
        return use, [f"--skip: {error}"]
    measured = [
        block.model_copy(update={"skip_loss": one.rise, "skip_loss_ci": one.interval}) if one else block
        for block, one in zip(blocks, singles, strict=True)
    ]
    missing = [block.name for block in measured if block.skip_loss is None]
    missing += [f"{options.skip_spans} blocks together"] if options.skip_spans and span is None else []
    reason = "without them the model does not run to a finite loss"
    notes = [f"--skip: no answer for {', '.join(missing)}: {reason}"] if missing else []
    loss = skipping.nats_per_token
    summary = DepthSummary(
        windows=total,
        nats_per_token=loss,
        cheap_blocks=[one.name for one in measured if one.skip_loss is not None and one.skip_loss < CHEAP_SHARE * loss],
        spans=[_span(span, measured)] if span else [],
        rank_correlations={name: _rank_correlation(name, measured) for name in CHEAP_MEASURES},
    )
    return use.model_copy(update={"blocks": measured, "summary": summary}), notes


def _span(found: SkippedLoss, blocks: Sequence[BlockUse]) -> SpanUse:
    first, length = found.span
    return SpanUse(
        first=blocks[first].name,
        last=blocks[first + length - 1].name,
        skip_loss=found.rise,
        skip_loss_ci=found.interval,
    )


def _rank_correlation(name: str, blocks: Sequence[BlockUse]) -> float | None:
    """Spearman's, of a number that costs nothing extra with what leaving the block out costs."""
    from scipy.stats import spearmanr

    known = [block for block in blocks if block.skip_loss is not None]
    cheap, exact = [getattr(block, name) for block in known], [block.skip_loss for block in known]
    if None in cheap or len(set(cheap)) < 2 or len(set(exact)) < 2:
        return None
    return float(spearmanr(cheap, exact).statistic)
