"""Finding blocks, choosing sites, and refusing what does not fit."""

import pytest
import torch
from torch import nn

from shape_audit.errors import NonFiniteError, NotAuditableError, UsageError
from shape_audit.interaction.loss_gradient import add_micro_batch
from shape_audit.interaction.residual_stream import find_blocks
from shape_audit.interaction.sites import parse_sites
from shape_audit.interaction.sums import SiteSums
from tests.tiny_models import CASES, tiny_model

IDS = torch.arange(20).reshape(2, 10)


def empty_sums(sites: str, width: int = 24) -> dict:
    return {s: SiteSums.zeros(width, dtype=torch.float32, device=torch.device("cpu")) for s in parse_sites(sites, 2)}


@pytest.mark.parametrize("name", CASES)
def test_blocks_are_found_without_knowing_the_name(name: str) -> None:
    blocks = find_blocks(tiny_model(name), 2)
    assert len({type(block) for block in blocks}) == 1 and len(blocks) == 2


def test_no_weight_gets_a_gradient_and_hooks_are_gone_afterwards() -> None:
    model = tiny_model("llama")
    add_micro_batch(model, find_blocks(model, 2), IDS, empty_sums("all"))
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_the_models_own_logits_are_used() -> None:
    """gemma2 caps its logits: with a cap of 2, a loss computed without it would be far larger."""
    model = tiny_model("gemma2")
    losses = add_micro_batch(model, find_blocks(model, 2), IDS, empty_sums("embedding"))
    assert model.config.final_logit_softcapping == 2.0
    assert losses.max() < 9 * (torch.log(torch.tensor(256.0)) + 4)


def test_sites_are_named_and_checked() -> None:
    assert [site.name for site in parse_sites("all", 2)] == ["embedding", "block.0", "block.1"]
    assert [site.name for site in parse_sites("block.1, embedding,block.1", 2)] == ["embedding", "block.1"]
    for text in ("block.2", "", "block.-1", "embedding,", "layers.0"):
        with pytest.raises(UsageError, match=r"there are all, embedding, block\.0 \.\.\. block\.1"):
            parse_sites(text, 2)


def test_an_unknown_layout_is_refused_by_name() -> None:
    model = nn.Module()
    model.first, model.second = (nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)]) for _ in range(2))
    with pytest.raises(NotAuditableError, match="Module: unsupported architecture"):
        find_blocks(model, 2)


def test_a_stream_of_another_width_is_refused() -> None:
    model = tiny_model("llama")
    with pytest.raises(NotAuditableError, match=r"LlamaForCausalLM.*at block\.1 is \[2, 9, 24\]"):
        add_micro_batch(model, find_blocks(model, 2), IDS, empty_sums("all", width=12))


def test_logits_that_are_not_finite_are_an_error() -> None:
    model = tiny_model("llama")
    model.lm_head.weight[3] = float("nan")
    with pytest.raises(NonFiniteError, match="logits hold NaN or infinity"):
        add_micro_batch(model, find_blocks(model, 2), IDS, empty_sums("all"))
