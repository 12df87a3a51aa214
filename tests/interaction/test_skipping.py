"""Leaving blocks out: against a model that was really shortened."""

import copy
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma4TextConfig

from shape_audit.calibration import Window
from shape_audit.errors import NotAuditableError
from shape_audit.interaction.skip_report import BlockSkipping
from shape_audit.interaction.stream.left_out import LeftOut, Span
from shape_audit.interaction.stream.micro_batch import MicroBatch
from shape_audit.models import LoadedModel, find_blocks, model_logits, window_losses
from tests.interaction.measured import random_windows
from tests.tiny_models import CASES, LLAMA_LIKE, tiny_model

DEPTH = 4
IDS = random_windows(6, 12)
BATCH = MicroBatch(torch.tensor(IDS))
DEPTH_KEYS = ("num_hidden_layers", "n_layer")


@pytest.fixture
def deep(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`deep(name)`: a tiny model of four blocks."""

    def made(name: str) -> Any:
        class_name, settings = CASES[name]
        key = next(key for key in DEPTH_KEYS if key in settings)
        monkeypatch.setitem(CASES, name, (class_name, settings | {key: DEPTH}))
        return tiny_model(name, torch.float64)

    return made


def shortened(model: Any, span: Span) -> Any:
    """A copy of the model without these blocks, by its own module list and config."""
    model = copy.deepcopy(model)
    blocks = find_blocks(model, DEPTH)
    layers = next(m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and m[0] is blocks[0])
    gone = range(span.first, span.first + span.length)
    kinds = getattr(model.config, "layer_types", None)
    if kinds:
        model.config.layer_types = [kind for i, kind in enumerate(kinds) if i not in gone]
    for i in reversed(gone):
        del layers[i]
    model.config.num_hidden_layers = DEPTH - span.length
    return model


def skipping_of(model: Any, windows: list[Window], blocks: list[Any] | None = None) -> BlockSkipping:
    loaded = LoadedModel(model, torch.float64, torch.device("cpu"), "sdpa")
    return BlockSkipping(loaded, blocks or find_blocks(model, DEPTH), windows, micro_batch=4)


@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma2", "gpt_neox", "opt"])
def test_it_is_the_shortened_model(name: str, deep: Any) -> None:
    model = deep(name)
    left_out = LeftOut(model, find_blocks(model, DEPTH), BATCH)
    for span in (Span(0), Span(1), Span(3), Span(1, 2), Span(0, 3)):
        with torch.no_grad():
            expected = window_losses(model_logits(shortened(model, span), BATCH.inputs_BT), BATCH.targets_BT)
        torch.testing.assert_close(left_out.losses_without(span), expected, rtol=1e-10, atol=0)
    with torch.no_grad():  # and the model is as it was
        torch.testing.assert_close(
            window_losses(model_logits(model, BATCH.inputs_BT), BATCH.targets_BT), left_out.losses_B
        )


def test_blocks_before_are_not_computed_again(deep: Any) -> None:
    model = deep("llama")
    blocks = find_blocks(model, DEPTH)
    left_out, ran = LeftOut(model, blocks, BATCH), []
    for number, block in enumerate(blocks):
        block.mlp.register_forward_hook(lambda *args, number=number: ran.append(number))
    left_out.losses_without(Span(2))
    assert ran == [3]


def test_where_later_blocks_look_into_earlier_ones_all_are_computed(deep: Any) -> None:
    """As where keys are shared: the second half reads what the first block left behind in this forward."""
    model = deep("llama")
    blocks, left_behind = find_blocks(model, DEPTH), []
    blocks[0].mlp.register_forward_hook(lambda module, args, output: left_behind.append(output))

    def look(module: Any, args: Any) -> Any:
        return (args[0] + left_behind.pop(), *args[1:])

    blocks[3].register_forward_pre_hook(look)
    left_out = LeftOut(model, blocks, BATCH)
    without = left_out.losses_without(Span(2))
    assert not torch.equal(without, left_out.losses_B)
    assert not left_behind


def test_a_block_whose_keys_later_ones_read_has_no_answer_and_the_others_have_the_right_one() -> None:
    """Block 3, behind the middle: runs that begin after it must compute it all the same."""
    settings = LLAMA_LIKE | {"num_hidden_layers": 6, "layer_types": ["full_attention"] * 6, "num_kv_shared_layers": 2}
    small = {"head_dim": 8, "global_head_dim": 8, "vocab_size_per_layer_input": 256, "hidden_size_per_layer_input": 4}
    config = Gemma4TextConfig(**settings, **small)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float64).eval().requires_grad_(False)
    blocks, windows = find_blocks(model, 6), [Window(0, None, tuple(ids)) for ids in IDS]
    skipping = skipping_of(model, windows, blocks)
    singles, whole = skipping.singles(), LeftOut(model, blocks, BATCH, ())
    assert [block for block, one in enumerate(singles) if one is None] == [3]
    assert singles[4] is not None
    without = float((whole.losses_without(Span(4)) - whole.losses_B).sum()) / (len(IDS) * 11)
    assert singles[4].rise == pytest.approx(without, rel=1e-9)
    with pytest.raises(NotAuditableError):
        whole.losses_without(Span(3))


def test_a_block_that_adds_nothing_costs_nothing_and_the_cheapest_span_is_found(deep: Any) -> None:
    model = deep("llama")
    for layer in (model.model.layers[1], model.model.layers[2]):
        for linear in (layer.self_attn.o_proj, layer.mlp.down_proj):
            linear.weight.zero_()
    windows = [Window(0, None, tuple(ids)) for ids in IDS]
    skipping = skipping_of(model, windows)
    seen: list[int] = []
    singles = skipping.singles(seen.append)
    assert seen == [4, 6]
    assert [one.rise for one in singles][1:3] == [0.0, 0.0] and singles[0].rise != 0 != singles[3].rise
    assert singles[0].interval is not None and singles[0].interval[0] < singles[0].rise < singles[0].interval[1]
    twice = skipping_of(model, windows * 2).singles()
    assert twice[0].rise == pytest.approx(singles[0].rise)
    assert twice[0].interval == pytest.approx(singles[0].interval)  # copies count as one
    every = skipping.without([Span(first, 2) for first in range(3)])
    assert every[1].rise == 0.0
    assert skipping.cheapest_span(2, singles) == min(every, key=lambda one: one.rise)
