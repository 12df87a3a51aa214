"""What a shape costs, in sentences and in a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shape_audit.records import AuditRecord, ModelIdentity, Serving, ShapeCost
from shape_audit.reports.numbers import byte_size, rounded_count, significant
from shape_audit.reports.tables import Cell, Table
from shape_audit.shape import known_models
from shape_audit.yardsticks import are_told_apart, shipped_yardstick, shipped_yardsticks

BEYOND = {"params": "its size", "r_dw": "its R_D/W", "tokens": "its training tokens"}


def cost_percent(excess: float) -> str:
    """A cost as people read it: 0.03 %, 1.3 %; below a hundredth of a per cent, 0 %."""
    percent = round(100 * excess, 2)
    return f"{significant(percent, 2 if percent >= 0.1 else 1)} %" if percent else "0 %"


def with_interval(cost: ShapeCost) -> str:
    """A cost and its interval, in per cent."""
    return excess_with_interval(cost.loss_excess, cost.loss_excess_ci)


def excess_with_interval(excess: float, ends: tuple[float, float] | None) -> str:
    """The same of a loss over the best shape's, less 1."""
    if ends is None:
        return cost_percent(excess)
    low, high = (cost_percent(end).removesuffix(" %") for end in ends)
    return f"{cost_percent(excess)} [{low}, {high}]"


def first_cost(costs: Sequence[ShapeCost] | None, price: str = "tokens") -> ShapeCost | None:
    """The cost that stands for a shape: by the first yardstick, on the first of its bases."""
    return next((cost for cost in costs or () if cost.price == price), None)


def cost_headline(record: AuditRecord) -> str | None:
    """The first sentence of a report; None where no cost is known."""
    cost = first_cost(record.shape_cost)
    if cost is None:
        return None
    shape = record.shape
    sentence = (
        f"{shape.num_hidden_layers} layers on a width of {shape.hidden_size:,}: R_D/W {shape.r_dw:.4f}. By "
        f"{cost.description}, this shape costs {with_interval(cost)} of loss against the best shape at equal "
        f"{cost.basis} parameters and tokens"
    )
    total = next((c for c in record.shape_cost or () if c.price == cost.price and c.basis == "total"), None)
    if total is not None and total.loss_excess > cost.loss_excess and are_told_apart(total, cost):
        sentence += f" ({with_interval(total)} at equal total parameters)"
    if cost.equivalent_params_fraction is not None and cost.equivalent_params_fraction >= 0.001:
        sentence += f", about what {cost_percent(cost.equivalent_params_fraction)} fewer parameters would"
    timed = next((c for c in record.shape_cost or () if c.price == "training-time" and c.basis == cost.basis), None)
    if timed is not None and timed.tokens is not None:
        sentence += f"; at equal training time ({rounded_count(round(timed.tokens))} tokens) {with_interval(timed)}"
    return f"{sentence}{_extrapolated(record, cost, timed)}."


def _extrapolated(record: AuditRecord, *costs: ShapeCost | None) -> str:
    """A word where the yardstick's models do not reach the model."""
    found = {name: cost.yardstick for cost in costs if cost for name in cost.extrapolates}
    told = BEYOND | ({"tokens": _tokens_beyond(record.model, found["tokens"])} if "tokens" in found else {})
    names = " and ".join(told[name] for name in BEYOND if name in found)
    return f" (extrapolated: those models do not reach {names})" if names else ""


def _tokens_beyond(model: ModelIdentity, yardstick: str) -> str:
    """The tokens that the shipped table knows of a model, beside those that the yardstick's models saw."""
    known = known_models().get(model.label) if model.source == "hub" else None
    seen = shipped_yardstick(yardstick).tokens_range if yardstick in shipped_yardsticks() else None
    if known is None or known.train_tokens is None or seen is None:
        return BEYOND["tokens"]
    end, most = ("most", max(seen)) if known.train_tokens > max(seen) else ("least", min(seen))
    tokens, limit = (rounded_count(round(number)) for number in (known.train_tokens, most))
    return f"its {tokens} training tokens, where they saw at {end} {limit}"


def cost_table(record: AuditRecord) -> Table | None:
    """Every yardstick, basis and price in a row; None where no cost is known."""
    if not record.shape_cost:
        return None
    rows = tuple(
        (
            cost.yardstick,
            f"{cost.basis} parameters and {_priced(cost)}",
            _stacked(cost.loss_excess, cost.loss_excess_ci, cost_percent),
            _stacked(cost.best_r_dw, cost.best_r_dw_ci, lambda r_dw: f"{r_dw:.4f}"),
            "–" if cost.equivalent_params_fraction is None else cost_percent(cost.equivalent_params_fraction),
            ", ".join(cost.extrapolates).replace("r_dw", "R_D/W") or "–",
        )
        for cost in record.shape_cost
    )
    columns = ("yardstick", "at equal", "loss", "best R_D/W", "worth (params)", "extrapolated")
    return Table("Cost of the shape", columns, rows, numeric=False)


def _priced(cost: ShapeCost) -> str:
    return f"training time ({rounded_count(round(cost.tokens))} tokens)" if cost.tokens else "tokens"


def _stacked(value: float, ends: tuple[float, float] | None, form: Callable[[float], str]) -> Cell:
    """A number over its interval."""
    return (form(value), f"[{form(ends[0])}, {form(ends[1])}]".replace(" %", "")) if ends else form(value)


def serving_sentence(serving: Serving) -> str:
    """What depth and width cost when the model is run."""
    cache = "a KV cache that the config does not tell"
    if serving.kv_cache_bytes_per_token is not None:
        cache = f"{byte_size(serving.kv_cache_bytes_per_token)} of KV cache per token ({serving.kv_cache_dtype})"
        beyond = serving.kv_cache_bytes_per_token_beyond_windows
        if beyond is not None and beyond != serving.kv_cache_bytes_per_token:
            cache += f", {byte_size(beyond) if beyond else 'no more'} once its sliding windows are full"
    blocks = f"{serving.sequential_blocks} block{'s' if serving.sequential_blocks != 1 else ''}"
    return (
        f"Serving: {cache}; {rounded_count(serving.forward_flops_per_token)} floating-point operations per token, plus "
        f"attention, which grows with the context; {blocks} in sequence."
    )
