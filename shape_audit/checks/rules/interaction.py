"""SA8: what a measured audit found (--measure, or --record of one made before)."""

from __future__ import annotations

from collections.abc import Iterator

from shape_audit.checks.checked_model import CheckedModel
from shape_audit.checks.policy import Policy
from shape_audit.checks.rule import Seen, rule


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
    "SA802", "interaction-out-of-bounds", "error", needs="record",
    why="The policy says how strongly channels of a healthy model interact; its whole 95 % interval lies beyond that.",
    fix="Compare with earlier checkpoints of this run: a jump shows when it happened.",
)  # fmt: skip
def interaction_out_of_bounds(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """The AOFE-ratio of a site, its whole interval, lies outside the policy's bounds."""
    if policy.aofe_ratio is None or model.record is None or model.record.interaction is None:
        return
    low, high = policy.aofe_ratio
    for site in model.record.interaction.sites:
        ends = site.aofe_ratio_ci
        if ends is not None and (ends[1] < low or ends[0] > high):
            yield Seen(
                f"AOFE-ratio at {site.name} is {site.aofe_ratio:.3f} ({ends[0]:.3f} to {ends[1]:.3f}), outside "
                f"{low:g} to {high:g}",
                file=next(iter(model.files.weight_files), "config.json"),
                place=site.name,
            )
