"""Finding blocks, choosing sites, and refusing what does not fit."""

import pytest
import torch
import transformers
from torch import nn

from shape_audit.errors import NonFiniteError, NotAuditableError, UsageError
from shape_audit.interaction.estimators.sums import SiteSums
from shape_audit.interaction.protocols.loss_gradient import LossGradient
from shape_audit.interaction.stream.causality import check_causal
from shape_audit.interaction.stream.micro_batch import MicroBatch
from shape_audit.interaction.stream.sites import parse_sites
from shape_audit.models.blocks import find_blocks
from tests.tiny_models import CASES, tiny_model

IDS = torch.arange(20).reshape(2, 10)


def add_micro_batch(model: nn.Module, blocks: list, ids: torch.Tensor, sums: dict) -> torch.Tensor:
    return LossGradient().add_micro_batch(model, blocks, MicroBatch(ids), sums)


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
    """gemma2 caps its logits (here at 2, where they reach far beyond): the loss is that of the capped ones."""
    model = tiny_model("gemma2", torch.float64)
    losses = add_micro_batch(model, find_blocks(model, 2), IDS, empty_sums("embedding"))
    uncapped = model.lm_head(model.model(input_ids=IDS[:, :-1]).last_hidden_state)
    assert uncapped.abs().max() > 2.5
    log_p = torch.log_softmax(2 * torch.tanh(uncapped / 2), dim=-1)
    by_hand = -log_p.gather(2, IDS[:, 1:, None]).sum((1, 2))
    torch.testing.assert_close(losses, by_hand, rtol=1e-10, atol=0)
    plain = -torch.log_softmax(uncapped, dim=-1).gather(2, IDS[:, 1:, None]).sum((1, 2))
    assert (losses - plain).abs().min() > 1e-3


def test_one_forward_and_one_backward_a_micro_batch() -> None:
    model = tiny_model("llama")
    forwards, backwards = [], []
    block = find_blocks(model, 2)[1]
    handles = [block.register_forward_hook(lambda *_: forwards.append(1)),
               block.mlp.down_proj.register_full_backward_pre_hook(lambda *_: backwards.append(1))]  # fmt: skip
    add_micro_batch(model, find_blocks(model, 2), IDS, empty_sums("all"))
    for handle in handles:
        handle.remove()
    assert (len(forwards), len(backwards)) == (1, 1)


def test_a_model_that_looks_ahead_is_refused() -> None:
    config = transformers.BertConfig(
        vocab_size=256, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=40
    )
    torch.manual_seed(0)
    encoder = transformers.BertLMHeadModel(config).eval()
    with pytest.raises(NotAuditableError, match="BertLMHeadModel: not a causal language model"):
        check_causal(encoder, IDS[0])
    for name in CASES:
        check_causal(tiny_model(name), IDS[0])


def test_blocks_that_hand_on_nothing_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("llama")
    blocks = find_blocks(model, 2)
    plain = add_micro_batch(model, blocks, IDS, empty_sums("all"))
    forward = type(blocks[0]).forward
    monkeypatch.setattr(type(blocks[0]), "forward", lambda self, *a, **k: None)
    with pytest.raises(NotAuditableError, match="no residual stream goes through"):
        add_micro_batch(model, blocks, IDS, empty_sums("all"))
    monkeypatch.setattr(type(blocks[0]), "forward", forward)
    torch.testing.assert_close(add_micro_batch(model, blocks, IDS, empty_sums("all")), plain)


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
    with pytest.raises(NonFiniteError, match="logits hold NaN or infinity; the weights"):
        add_micro_batch(model, find_blocks(model, 2), IDS, empty_sums("all"))


def test_what_begins_inside_is_named_by_site() -> None:
    model = tiny_model("llama")
    model.model.layers[1].mlp.down_proj.weight[0, 0] = float("inf")
    with pytest.raises(NonFiniteError, match=r"from site block\.1 on"):
        add_micro_batch(model, find_blocks(model, 2), IDS, empty_sums("all"))
