"""Budgets x depths -> shapes, what training them takes, and what is left out.

Operations of training are 6 N a token (two for each weight a matrix product uses, forward, and twice that backward)
and 12 L T d for the attention matrices (PaLM, arXiv 2204.02311, appendix B, which counts the masked half too). N is
without what is only looked up: learned positions, and the token embedding where the unembedding is another matrix.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from shape_audit.errors import UsageError
from shape_audit.records import LeftOutShape, PlannedShape, Precision, SweepPlan
from shape_audit.shape import Family, Sizes, family_named
from shape_audit.sweep.options import SweepOptions
from shape_audit.sweep.recipe import BYTES, WARMUP_TOKENS_PER_PARAM, Schedule, learning_rate_of
from shape_audit.sweep.widths import FittedShape, fit_width

Trial = Callable[[Sizes], float]
"""Seconds that a training step of a shape takes on this machine."""


def plan_shapes(options: SweepOptions) -> tuple[list[PlannedShape], list[LeftOutShape]]:
    """The shape of every budget and depth, by budget and then depth, at each length; and the cells no shape fits.

    Raises:
        UsageError: no shape fits anywhere.
    """
    family = family_named(options.family)
    shapes: list[PlannedShape] = []
    left_out: list[LeftOutShape] = []
    for budget in options.budgets:
        for depth in options.layers:
            fitted = fit_width(
                family,
                budget=budget,
                num_hidden_layers=depth,
                vocab_size=BYTES,
                max_position_embeddings=options.seq_len,
            )
            if abs(fitted.miss) <= options.tolerance:
                shapes += _lengths_of(family, budget, fitted, options)
            else:
                reason = (
                    f"no width fits: the nearest, {fitted.sizes.hidden_size}, has {fitted.params:,} parameters "
                    f"({fitted.miss * 100:+.1f} %)"
                )
                left_out.append(LeftOutShape(target_params=budget, num_hidden_layers=depth, reason=reason))
    if not shapes:
        first = left_out[0]
        raise UsageError(
            f"--params, --depths: no {options.family} shape within {options.tolerance * 100:g} %; "
            f"{first.target_params:,} parameters in {first.num_hidden_layers} layers: {first.reason}"
        )
    return shapes, left_out


def make_plan(
    options: SweepOptions,
    *,
    trial: Trial | None = None,
    device: str | None = None,
    precision: Precision | None = None,
    notes: tuple[str, ...] = (),
) -> SweepPlan:
    """Everything the sweep will train.

    Args:
        trial: measures a training step; None estimates no times.
        device, precision: of the trial.
        notes: about the data.
    """
    shapes, left_out = plan_shapes(options)
    if trial is not None:
        seconds = {sizes: trial(sizes) for sizes in dict.fromkeys(sizes_of(shape, options) for shape in shapes)}
        shapes = [
            shape.model_copy(update={"seconds": shape.trained_steps * seconds[sizes_of(shape, options)]})
            for shape in shapes
        ]
    runs = len(options.seeds)
    return SweepPlan(
        family=options.family,
        data=options.data,
        tokens_per_param=list(options.lengths),
        seq_len=options.seq_len,
        batch=options.batch,
        seeds=list(options.seeds),
        tolerance=options.tolerance,
        device=device,
        precision=precision,
        shapes=shapes,
        left_out=left_out,
        flops=runs * sum(trained_flops(shape) for shape in shapes),
        seconds=None if trial is None else runs * sum(shape.seconds or 0.0 for shape in shapes),
        notes=list(notes),
    )


def sizes_of(shape: PlannedShape, options: SweepOptions) -> Sizes:
    """Everything the model is built from."""
    return Sizes(
        num_hidden_layers=shape.num_hidden_layers,
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_attention_heads=shape.num_attention_heads,
        num_key_value_heads=shape.num_attention_heads,
        head_dim=shape.head_dim,
        vocab_size=BYTES,
        max_position_embeddings=options.seq_len,
        tie_word_embeddings=family_named(options.family).ties(shape.target_params),
    )


def schedule_of(shape: PlannedShape, options: SweepOptions) -> Schedule:
    """A cosine for a single length; several leave one trunk, which follows from none of them."""
    return _schedule(shape.target_params, shape.steps, options)


def trained_flops(shape: PlannedShape) -> float:
    """Operations of the steps that no shorter length has done."""
    return shape.flops * shape.trained_steps / shape.steps


def training_flops(family: Family, sizes: Sizes, *, tokens: int, seq_len: int) -> float:
    """Operations of training on so many tokens; see the module's docstring."""
    ledger = family.ledger(replace(sizes, tie_word_embeddings=True))
    multiplied: int = sum(ledger.model_dump().values()) - ledger.embedding + sizes.vocab_size * sizes.hidden_size
    attention = 12 * sizes.num_hidden_layers * sizes.hidden_size * seq_len
    return float(tokens) * (6 * multiplied + attention)


def _schedule(budget: int, steps: int, options: SweepOptions) -> Schedule:
    if len(options.lengths) == 1:
        return Schedule.cosine(steps)
    warmup = round(budget * WARMUP_TOKENS_PER_PARAM / (options.batch * options.seq_len))
    return Schedule.warmup_stable_decay(steps, warmup=max(1, warmup))


def _lengths_of(family: Family, budget: int, fitted: FittedShape, options: SweepOptions) -> Iterator[PlannedShape]:
    """A shape at each length, in ascending order."""
    sizes, a_step = fitted.sizes, options.batch * options.seq_len
    ledger = family.ledger(sizes)
    behind = 0
    for length in options.lengths:
        steps = math.ceil(budget * length / a_step)
        yield PlannedShape(
            target_params=budget,
            num_hidden_layers=sizes.num_hidden_layers,
            hidden_size=sizes.hidden_size,
            intermediate_size=sizes.intermediate_size,
            num_attention_heads=sizes.num_attention_heads,
            head_dim=sizes.head_dim,
            r_dw=sizes.num_hidden_layers / sizes.hidden_size,
            params=fitted.params,
            params_non_embedding=fitted.params - ledger.embedding - ledger.unembedding,
            miss=fitted.miss,
            learning_rate=options.learning_rate or learning_rate_of(sizes.hidden_size),
            tokens_per_param=length,
            tokens=steps * a_step,
            steps=steps,
            trained_steps=steps - behind,
            flops=training_flops(family, sizes, tokens=steps * a_step, seq_len=options.seq_len),
            seconds=None,
        )
        behind = _schedule(budget, steps, options).branch or 0
