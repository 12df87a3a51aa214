"""SA1: the shape of the decoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from shape_audit.checks.checked_model import CheckedModel
from shape_audit.checks.policy import NOTED_COST, Policy
from shape_audit.checks.rule import Seen, Unable, rule
from shape_audit.checks.subjects import key_of
from shape_audit.hub import CONFIG_FILE
from shape_audit.records import Interval, ModelShape, Severity
from shape_audit.reports import with_interval
from shape_audit.shape import KnownModel, known_models, non_dense_reason, place
from shape_audit.yardsticks import DEFAULT_YARDSTICK, shape_costs, shipped_yardstick

_SHAPE = (key_of(CONFIG_FILE, "num_hidden_layers"), key_of(CONFIG_FILE, "hidden_size"))
BEYOND = {"params": "size", "r_dw": "R_D/W", "tokens": "training tokens"}
FEWEST_KNOWN = 3
"""Known models of a type below which nothing is called unusual for it."""


@rule(
    "SA101", "shape-cost", "note",
    why="Models of one size and alike in all but depth and width differ in loss (22 models of 50M-2B, Gemstones). "
        "Below one per cent that is less than what most other choices cost, and is not mentioned.",
    fix="Choose another depth or width for the next training run (shape-audit suggest), or set shape-cost in the "
        "policy's bounds to what you accept.",
)  # fmt: skip
def shape_cost(model: CheckedModel, policy: Policy) -> Iterator[Seen | Unable]:
    """The shape costs more loss than the policy allows, or than 1 %; or R_D/W is outside an interval that was named."""
    if model.shape is None or not model.shape.shape.is_dense:
        for asked, what in ((policy.interval, "interval"), (policy.shape_cost, "shape-cost")):
            if asked is not None:
                yield Unable(f"the {what} is for dense decoders whose shape can be read, which this is not")
        return
    yield from _outside(model.shape.shape, policy.interval)
    if model.shape.shape.params_non_embedding <= 0:
        return
    yardstick = shipped_yardstick(DEFAULT_YARDSTICK)
    cost = shape_costs(yardstick, model.shape.shape, basis=yardstick.basis)[0]
    most = NOTED_COST if policy.shape_cost is None else policy.shape_cost
    if cost.loss_excess > most:
        is_sure = (cost.loss_excess_ci or (cost.loss_excess,))[0] > most
        severity: Severity = "note" if policy.shape_cost is None else "error" if is_sure else "warning"
        beyond = " and ".join(BEYOND[name] for name in cost.extrapolates)
        beyond = f"; extrapolated from them in {beyond}" if beyond else ""
        yield Seen(
            f"R_D/W = {model.shape.shape.r_dw:.4g} costs {with_interval(cost)} of loss, more than {100 * most:g} %: "
            f"against the best, {cost.best_r_dw:.4g}, at equal {cost.basis} parameters and tokens, by "
            f"{cost.description}{beyond}",
            place="shape_cost",
            severity=severity,
            about=_SHAPE,
        )


def _outside(shape: ModelShape, interval: Interval | None) -> Iterator[Seen]:
    """Where R_D/W lies outside of an interval that policy or command line name."""
    if interval is None:
        return
    placement = place(shape.r_dw, interval)
    if placement.side != "inside":
        low, high = ("open" if end is None else f"{end:.4g}" for end in (interval.low, interval.high))
        yield Seen(
            f"R_D/W = {shape.num_hidden_layers} / {shape.hidden_size} = {shape.r_dw:.4g}, {placement.side}: outside "
            f"[{low}, {high}] ({interval.name})",
            place="r_dw",
            severity="warning",
            about=_SHAPE,
        )


@rule(
    "SA102", "width-not-uniform", "warning",
    why="Most code takes hidden_size as the width of every block; R_D/W has no single value here.",
    fix="Say so in the model card; a pruned model needs its own modelling code.",
)  # fmt: skip
def width_not_uniform(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """Blocks differ in width."""
    widths = model.tensor_facts.widths if model.tensor_facts else ()
    if len(set(widths)) > 1:
        first = next(i for i, width in enumerate(widths) if width != widths[0])
        yield Seen(
            f"block 0 has width {widths[0]}, block {first} has {widths[first]} "
            f"({len(set(widths))} different widths in {len(widths)} blocks)",
            place="widths",
        )


@rule(
    "SA103", "not-dense", "note",
    why="Depth-width ratio, interval and interaction profile are defined for dense decoders; they say little here.",
    fix="Nothing, if a mixture of experts or a hybrid is what you meant to release.",
)  # fmt: skip
def not_dense(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """The model has experts, or blocks that mix tokens by something else than attention."""
    reason = non_dense_reason(model.facts, model.tensor_facts)
    if reason is not None:
        yield Seen(f"not a dense decoder: {reason}", place="dense")


@rule(
    "SA104", "feed-forward-ratio", "note",
    why="A feed-forward width far from what others of this type use is more often a typing error than a choice.",
    fix="Check intermediate_size in config.json; if it is meant, say so in the policy's ignore list.",
)  # fmt: skip
def feed_forward_ratio(model: CheckedModel, policy: Policy) -> Iterator[Seen | Unable]:
    """intermediate_size / hidden_size is unusual for the model's type, or outside the policy's bounds."""
    ratio = model.shape.shape.feed_forward_ratio if model.shape else None
    if ratio is None:
        if policy.feed_forward_ratio is not None:
            yield Unable(
                "the policy's feed-forward-ratio is for models with one feed-forward width, which this has not"
            )
        return
    if policy.feed_forward_ratio is not None:
        low, high = policy.feed_forward_ratio
        if not low <= ratio <= high:
            seen = f"the feed-forward ratio is {ratio:.3g}, outside the policy's {low:g} to {high:g}"
            yield Seen(seen, place="intermediate_size", severity="warning")
        return
    yield from _unusual(
        model, ratio, "feed-forward ratio", "intermediate_size",
        lambda known: known.intermediate_size / known.hidden_size if known.intermediate_size else None,
    )  # fmt: skip


@rule(
    "SA105", "attention-width", "note",
    why="Heads that together are much wider or narrower than the residual stream change what a given width can do.",
    fix="Check num_attention_heads and head_dim in config.json.",
)  # fmt: skip
def attention_width(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """num_attention_heads * head_dim against hidden_size is unusual for the model's type."""
    if model.shape is None:
        return
    shape = model.shape.shape
    if shape.num_attention_heads and shape.head_dim:
        ratio = shape.num_attention_heads * shape.head_dim / shape.hidden_size
        yield from _unusual(model, ratio, "heads * head_dim over width", "head_dim", _attention_ratio)


def _attention_ratio(known: KnownModel) -> float | None:
    if not known.num_attention_heads or not known.head_dim:
        return None
    return known.num_attention_heads * known.head_dim / known.hidden_size


def _unusual(
    model: CheckedModel, value: float, what: str, key: str, of_known: Callable[[KnownModel], float | None]
) -> Iterator[Seen]:
    """A value beyond all known models of the same type."""
    kind = model.facts.text_model_type if model.facts else None
    known = [of_known(other) for other in known_models().values() if other.architecture == kind]
    values = [number for number in known if number is not None]
    if len(values) >= FEWEST_KNOWN and not min(values) * 0.99 <= value <= max(values) * 1.01:
        yield Seen(
            f"{what} is {value:.3g}; the {len(values)} known models of type {kind} lie between {min(values):.3g} and "
            f"{max(values):.3g}",
            place=key,
        )
