"""SA8: what a measured audit found (--measure, or --record of one made before)."""

from __future__ import annotations

from collections.abc import Iterator

from shape_audit.checks.checked_model import CheckedModel
from shape_audit.checks.policy import Policy
from shape_audit.checks.rule import Seen, Unable, rule


@rule(
    "SA801", "gradients-not-finite", "error", needs="record",
    why="The model cannot be trained further, and its loss means nothing.",
    fix="Look at the weights (--weights), and at what overflows in the dtype of release.",
)  # fmt: skip
def gradients_not_finite(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """A loss or gradient on the calibration text is infinite or not a number."""
    if model.not_finite is not None:
        yield Seen(model.not_finite, file=next(iter(model.files.weight_files), "config.json"), place="gradients")


@rule(
    "SA802", "interaction-out-of-bounds", "error", needs="record", bounds=("aofe-ratio",),
    why="The policy says how strongly channels of a healthy model interact; its whole 95 % interval lies beyond that.",
    fix="Compare with earlier checkpoints of this run: a jump shows when it happened.",
)  # fmt: skip
def interaction_out_of_bounds(model: CheckedModel, policy: Policy) -> Iterator[Seen | Unable]:
    """The AOFE-ratio of a site, its whole interval, lies outside the policy's bounds."""
    if policy.aofe_ratio is None or model.record is None or model.record.interaction is None:
        return
    low, high = policy.aofe_ratio
    sites = model.record.interaction.sites
    if all(site.aofe_ratio_ci is None for site in sites):
        yield Unable("the policy's aofe-ratio needs an audit with intervals, of 6 windows or more")
    for site in sites:
        ends = site.aofe_ratio_ci
        if ends is not None and (ends[1] < low or ends[0] > high):
            yield Seen(
                f"AOFE-ratio at {site.name} is {site.aofe_ratio:.3f} ({ends[0]:.3f} to {ends[1]:.3f}), outside "
                f"{low:g} to {high:g}",
                file=next(iter(model.files.weight_files), "config.json"),
                place=site.name,
            )


@rule(
    "SA803", "depth-or-width-unused", "error", needs="record", bounds=("functional-share", "cheap-blocks"),
    why="The policy says how much of a healthy model's depth and width is used; what is not used was paid for.",
    fix="Compare with earlier checkpoints and with a shallower or narrower model (`suggest`) on the same data.",
)  # fmt: skip
def depth_or_width_unused(model: CheckedModel, policy: Policy) -> Iterator[Seen | Unable]:
    """More blocks can be left out, or a smaller share of the width matters, than the policy's bounds allow."""
    if model.record is None:
        return
    use, file = model.record.use, next(iter(model.files.weight_files), "config.json")
    share, summary = (use.functional_share, use.summary) if use else (None, None)
    if policy.functional_share is not None and share is None:
        yield Unable("the policy's functional-share needs an audit with --use")
    if policy.cheap_blocks is not None and summary is None:
        yield Unable("the policy's cheap-blocks needs an audit with --skip")
    if policy.functional_share is not None and share is not None and share < policy.functional_share:
        yield Seen(
            f"at the median site {share:.1%} of the width is active and matters, less than "
            f"{policy.functional_share:.1%}",
            file=file, place="width",
        )  # fmt: skip
    if policy.cheap_blocks is not None and use is not None and summary is not None:
        cheap = summary.cheap_blocks
        if len(cheap) > policy.cheap_blocks:
            yield Seen(
                f"{len(cheap)} of {len(use.blocks)} blocks raise the loss by less than 1 % when left out, more than "
                f"{policy.cheap_blocks:g}: {', '.join(cheap)}",
                file=file, place="depth",
            )  # fmt: skip
