"""Widths against the parameters that transformers counts; plans, and what is left out of them."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM

from shape_audit.errors import UsageError
from shape_audit.reports import as_json, sweep_plan_markdown
from shape_audit.shape import families, family_named
from shape_audit.sweep.options import SweepOptions
from shape_audit.sweep.plan import make_plan, plan_shapes, schedule_of, sizes_of, training_flops
from shape_audit.sweep.widths import OFF_USUAL, fit_width, head_dim_of


def counted(family: str, sizes: object) -> int:
    """Parameters of the model that transformers builds, each tensor once."""
    config = family_named(family).config_of(sizes)  # type: ignore[arg-type]
    config.pop("architectures")
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config))
    model.tie_weights()
    return sum(parameter.numel() for parameter in model.parameters())


@settings(max_examples=40, deadline=None)
@given(
    family=st.sampled_from(sorted(families())),
    budget=st.integers(30_000, 30_000_000),
    depth=st.integers(1, 24),
    seq_len=st.sampled_from([64, 256]),
)
def test_the_parameters_are_those_that_transformers_counts(family: str, budget: int, depth: int, seq_len: int) -> None:
    fitted = fit_width(
        family_named(family), budget=budget, num_hidden_layers=depth, vocab_size=256, max_position_embeddings=seq_len
    )
    sizes = fitted.sizes
    assert counted(family, sizes) == fitted.params
    assert fitted.miss == (fitted.params - budget) / budget
    assert sizes.hidden_size == sizes.num_attention_heads * sizes.head_dim and sizes.head_dim % 8 == 0
    above, below = family_named(family).feed_forward_ratio
    usual = sizes.hidden_size * above / below
    assert abs(sizes.intermediate_size / usual - 1) <= OFF_USUAL or sizes.intermediate_size == 8


@settings(max_examples=200, deadline=None)
@given(budget=st.integers(300_000, 30_000_000), depth=st.integers(1, 16))
def test_a_llama_from_300k_on_is_within_three_percent(budget: int, depth: int) -> None:
    llama = family_named("llama")
    fitted = fit_width(llama, budget=budget, num_hidden_layers=depth, vocab_size=256, max_position_embeddings=256)
    assert abs(fitted.miss) <= 0.03


def test_heads_are_multiples_of_eight_and_not_many() -> None:
    widths = (8, 40, 48, 64, 80, 104, 144, 256, 640)
    assert [head_dim_of(width) for width in widths] == [8, 40, 24, 32, 40, 104, 24, 64, 64]


def test_a_width_of_several_heads_is_taken_where_one_fits() -> None:
    """2 x 104 and 3 x 88 are nearer to 300k parameters than 2 x 112 and 3 x 96, and have one head."""
    shapes, _ = plan_shapes(SweepOptions(params="300k", depths="1,2,3,8", data="x"))
    assert [(shape.hidden_size, shape.num_attention_heads) for shape in shapes] == [
        (144, 6),
        (112, 2),
        (96, 3),
        (56, 1),
    ]
    assert all(abs(shape.miss) <= 0.01 for shape in shapes)


def test_what_no_width_fits_is_left_out_with_the_nearest() -> None:
    options = SweepOptions(params="300k", depths="4,60", data="x")
    shapes, left_out = plan_shapes(options)
    assert [shape.num_hidden_layers for shape in shapes] == [4]
    assert left_out[0].num_hidden_layers == 60 and "+18.2 %" in left_out[0].reason
    with pytest.raises(UsageError, match="no llama shape within 3 %"):
        plan_shapes(SweepOptions(params="300k", depths="60", data="x"))


def test_operations_are_those_of_every_matrix_product() -> None:
    """Counted by torch, forward and backward; attention eager, so that its products are seen."""
    from torch.utils.flop_counter import FlopCounterMode

    options = SweepOptions(params="300k", depths="6", data="x", seq_len=64, batch=4)
    (shape,), _ = plan_shapes(options)
    sizes = sizes_of(shape, options)
    config = family_named("llama").config_of(sizes)
    config.pop("architectures")
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config), attn_implementation="eager")
    with FlopCounterMode(display=False) as counter:
        model(input_ids=torch.zeros(4, 64, dtype=torch.long), use_cache=False).logits.sum().backward()
    ours = training_flops(family_named("llama"), sizes, tokens=4 * 64, seq_len=64)
    assert ours == pytest.approx(counter.get_total_flops(), rel=0.02)  # norms are no products


def test_a_plan_says_what_it_is_about() -> None:
    options = SweepOptions(params=["300k", 1_000_000], depths=[1, 60], data="corpus", runs=2, seed=3)
    plan = make_plan(options, trial=lambda sizes: 0.5, device="cpu", precision="float32")
    assert plan.seeds == [3, 4] and len(plan.shapes) == len(plan.left_out) == 2
    assert plan.seconds == 2 * 0.5 * sum(shape.steps for shape in plan.shapes)
    assert plan.shapes[0].tokens >= 60 * 300_000 > plan.shapes[0].tokens - 32 * 256
    assert "in 60 layers is left out" in sweep_plan_markdown(plan)
    assert json.loads(as_json(plan))["shapes"][0]["hidden_size"] == 144


def test_a_plan_of_several_lengths_counts_their_trunk_once() -> None:
    options = SweepOptions(params="300k", depths="1,2", data="x", tokens_per_param=[10, 1, 3.0], runs=2)
    plan = make_plan(options, trial=lambda sizes: 0.5, device="cpu", precision="float32")
    first = plan.shapes[:3]
    assert [shape.hidden_size for shape in plan.shapes] == [144] * 3 + [112] * 3
    assert [(shape.tokens_per_param, shape.steps) for shape in first] == [(1.0, 37), (3.0, 110), (10.0, 367)]
    assert [schedule_of(shape, options).branch for shape in first] == [30, 88, 294]
    assert [shape.trained_steps for shape in first] == [37, 110 - 30, 367 - 88]
    assert plan.seconds == 2 * 2 * 0.5 * (37 + 80 + 279)
    whole = sum(shape.flops for shape in plan.shapes)
    assert plan.flops < 2 * whole and plan.flops == pytest.approx(
        2 * sum(shape.flops * shape.trained_steps / shape.steps for shape in plan.shapes)
    )
    shown = sweep_plan_markdown(plan)
    assert "share one trunk" in shown and "1, 3, 10 bytes are predicted" in shown


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"params": "x"}, "--params x: it must be a number"),
        ({"params": ""}, "--params: nothing is named"),
        ({"depths": "1,0"}, "--depths 0"),
        ({"depths": "-2"}, "--depths -2"),
        ({"depths": "1.5"}, "--depths 1.5"),
        ({"family": "lama"}, "did you mean"),
        ({"tokens_per_param": 0}, "--tokens-per-param"),
        ({"tokens_per_param": float("nan")}, "--tokens-per-param"),
        ({"tokens_per_param": "1,three"}, "--tokens-per-param must be more than 0 and at most 1e6, not three"),
        ({"tokens_per_param": ""}, "--tokens-per-param: nothing is named"),
        ({"batch": 0}, "--batch"),
        ({"eval_bytes": 256}, "--eval-bytes 256: less than a window"),
        ({"learning_rate": 2.0}, "--learning-rate"),
        ({"seed": -1}, "--seed"),
        ({"tolerance": 0}, "--tolerance"),
        ({"precision": "float16"}, "--precision"),
    ],
)
def test_options_that_cannot_be_meant(changes: dict[str, object], line: str) -> None:
    with pytest.raises(UsageError, match=line):
        options = SweepOptions(**({"params": "300k", "depths": "2", "data": "x"} | changes))  # type: ignore[arg-type]
        plan_shapes(options)
