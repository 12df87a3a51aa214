"""What each block does to the stream: against the same numbers token by token, in float64."""

import math
from typing import Any

import pytest
import torch

from shape_audit.interaction.block_report import block_use
from shape_audit.interaction.estimators.block_rows import BlockRows
from shape_audit.interaction.estimators.window_rows import RepeatedWindows
from shape_audit.interaction.protocols.loss_gradient import LossGradient
from shape_audit.interaction.stream.block_watch import BlockWatch, watched_blocks
from shape_audit.interaction.stream.micro_batch import MicroBatch
from shape_audit.interaction.stream.sites import parse_sites
from shape_audit.models import find_blocks
from tests.interaction.measured import random_windows
from tests.tiny_models import tiny_model

SITES = parse_sites("embedding", 2)
WINDOWS = random_windows(7, 9)
NUMBERS = ("block_influence", "update_size", "gradient_influence", "first_order_saving")


class Nowhere:
    """Stands where a site has its sums."""

    width = 24

    def add(self, grad_BTD: torch.Tensor, first: int) -> None:
        """The site itself is not looked at here."""


def watched(model: Any, windows: list[list[int]], size: int = 4) -> BlockRows:
    parts = []
    for first in range(0, len(windows), size):
        batch = MicroBatch(torch.tensor(windows[first : first + size]), first)
        blocks = find_blocks(model, 2)
        with watched_blocks(blocks, batch, {}) as watch:
            LossGradient().add_micro_batch(model, blocks, batch, dict.fromkeys(SITES, Nowhere()))  # type: ignore[arg-type]
        parts.append(watch.rows())
    return BlockRows.joined(parts[::-1])


def used(model: Any, windows: list[list[int]]) -> list[Any]:
    return block_use(watched(model, windows), RepeatedWindows.of([tuple(window) for window in windows]))


def by_hand(model: Any, windows: list[list[int]], begin: int) -> list[dict[str, float]]:
    """Per block, from one window at a time: zeros are added to the stream, and the loss differentiated by them."""
    blocks, per_block = find_blocks(model, 2), [{name: [] for name in NUMBERS} for _ in range(2)]
    for window in windows:
        stream: list[Any] = []
        zeros: list[Any] = []

        def moved(hidden: Any, stream: Any = stream, zeros: Any = zeros) -> Any:
            zeros.append(torch.zeros_like(hidden, requires_grad=True))
            stream.append(hidden.detach()[0])
            return hidden + zeros[-1]

        def after(module: Any, args: Any, output: Any, moved: Any = moved) -> Any:
            return (moved(output[0]), *output[1:]) if isinstance(output, tuple) else moved(output)

        def before(module: Any, args: Any, kwargs: Any, moved: Any = moved) -> Any:
            return (
                ((moved(args[0]), *args[1:]), kwargs)
                if args
                else (args, kwargs | {"hidden_states": moved(kwargs["hidden_states"])})
            )

        handles = [blocks[0].register_forward_pre_hook(before, with_kwargs=True)]
        handles += [block.register_forward_hook(after) for block in blocks]
        logits = model(input_ids=torch.tensor([window[:-1]]), use_cache=False).logits[0]
        for handle in handles:
            handle.remove()
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor(window[1:]), reduction="sum")
        grads = [grad[0].tolist() for grad in torch.autograd.grad(loss, zeros)]
        hidden = [h.tolist() for h in stream]
        for k in (1, 2):
            for t in range(begin, len(window) - 1):
                h, g, old, new = hidden[k - 1][t], grads[k][t], grads[k - 1][t], hidden[k][t]
                u = [a - b for a, b in zip(new, h, strict=True)]
                cosine = sum(a * b for a, b in zip(h, new, strict=True)) / math.hypot(*h) / math.hypot(*new)
                per_block[k - 1]["block_influence"].append(1 - cosine)
                per_block[k - 1]["update_size"].append(math.hypot(*u) / math.hypot(*h))
                per_block[k - 1]["first_order_saving"].append(-sum(a * b for a, b in zip(g, u, strict=True)))
                change = sum((a - b) ** 2 for a, b in zip(old, g, strict=True))
                per_block[k - 1]["gradient_influence"].append((change, sum(a * a for a in g)))
    found = []
    for lists in per_block:
        numbers = {name: sum(values) / len(values) for name, values in lists.items() if name != "gradient_influence"}
        changes, squares = zip(*lists["gradient_influence"], strict=True)
        found.append(numbers | {"gradient_influence": sum(changes) / sum(squares)})
    return found


@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma2", "gpt_neox", "opt", "bloom"])
def test_every_number_is_what_single_tokens_give(name: str) -> None:
    model = tiny_model(name, torch.float64)
    for block, rest, every in zip(
        used(model, WINDOWS), by_hand(model, WINDOWS, 1), by_hand(model, WINDOWS, 0), strict=True
    ):
        for number in NUMBERS:
            assert getattr(block, number) == pytest.approx(rest[number], rel=1e-9, abs=1e-13), number
            assert getattr(block.with_first_position, number) == pytest.approx(every[number], rel=1e-9, abs=1e-13)
            low, high = getattr(block, f"{number}_ci")
            assert low < getattr(block, number) < high


def test_a_block_that_adds_nothing_has_zeros() -> None:
    model = tiny_model("llama")
    layer = model.model.layers[1]
    for linear in (layer.self_attn.o_proj, layer.mlp.down_proj):
        linear.weight.zero_()
    first, second = used(model, WINDOWS)
    assert first.block_influence > 0 and first.gradient_influence > 0
    for number in NUMBERS:
        assert getattr(second, number) == 0.0 and getattr(second.with_first_position, number) == 0.0


def test_a_tiny_turn_is_seen_in_float32() -> None:
    """1 - cos of 1e-10, a hundredth of what float32 can tell from 1."""
    model = tiny_model("llama")
    for linear in (model.model.layers[1].self_attn.o_proj, model.model.layers[1].mlp.down_proj):
        linear.weight *= 1e-5
    plain, double = used(model, WINDOWS)[1], used(model.double(), WINDOWS)[1]
    assert 0 < double.block_influence < 1e-8
    assert plain.block_influence == pytest.approx(double.block_influence, rel=0.02)  # h + u is rounded, 6e-8 of h


def test_gradients_are_null_before_the_first_site_that_is_measured() -> None:
    model, batch = tiny_model("llama"), MicroBatch(torch.tensor(WINDOWS))
    blocks, sites = find_blocks(model, 2), parse_sites("block.0", 2)
    with watched_blocks(blocks, batch, {}) as watch:
        LossGradient().add_micro_batch(model, blocks, batch, dict.fromkeys(sites, Nowhere()))  # type: ignore[arg-type]
    first, second = block_use(watch.rows(), RepeatedWindows.of([tuple(window) for window in WINDOWS]))
    assert first.gradient_influence is None and first.block_influence > 0
    assert second.gradient_influence is not None and second.first_order_saving is not None


def test_what_was_never_seen_has_no_number() -> None:
    rows = BlockWatch(MicroBatch(torch.tensor(WINDOWS)), 2, {}).rows()
    assert rows.sums_KLPA.shape == (len(WINDOWS), 2, 2, 5) and bool(rows.sums_KLPA.isnan().all())
