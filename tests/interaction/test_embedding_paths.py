"""What the site `embedding` is where a model feeds its embedding in more than once."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import transformers
from torch import Tensor, nn

from shape_audit.errors import NotAuditableError
from shape_audit.interaction.estimators.sums import SiteSums
from shape_audit.interaction.protocols.loss_gradient import LossGradient
from shape_audit.interaction.stream.embedding_paths import check_embedding_paths
from shape_audit.interaction.stream.micro_batch import MicroBatch
from shape_audit.interaction.stream.rounding_probe import gradient_noise
from shape_audit.interaction.stream.sites import Site
from shape_audit.models.blocks import find_blocks
from tests.interaction.measured import extended, random_windows, tiny_pass
from tests.tiny_models import CASES, LLAMA_LIKE, tiny_model

IDS = torch.arange(20).reshape(2, 10)


def gemma4() -> Any:
    """Two layers, each of which also reads a projection of the embedding."""
    sizes = {"head_dim": 8, "global_head_dim": 8, "vocab_size_per_layer_input": 256, "hidden_size_per_layer_input": 8}
    layers = {"num_kv_shared_layers": 0, "layer_types": ["sliding_attention", "full_attention"]}
    ids = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": 0}
    config = transformers.AutoConfig.for_model("gemma4_text", **LLAMA_LIKE, **sizes, **layers, **ids)
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float64).eval().requires_grad_(False)


def at_the_embedding(model: Any) -> Tensor:
    """d loss / d the output of the token embedding, by plain autograd."""
    kept: list[Tensor] = []

    def begin(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_(True))
        return kept[0].clone()

    handle = model.get_input_embeddings().register_forward_hook(begin)
    logits = model(input_ids=IDS[:, :-1], use_cache=False).logits
    handle.remove()
    return torch.autograd.grad(F.cross_entropy(logits.flatten(0, 1), IDS[:, 1:].flatten(), reduction="sum"), kept)[0]


def measured(model: Any, sites: list[Site]) -> dict[Site, SiteSums]:
    sums = {site: SiteSums.zeros(24, dtype=torch.float64, device=torch.device("cpu")) for site in sites}
    LossGradient().add_micro_batch(model, find_blocks(model, 2), MicroBatch(IDS), sums)
    return sums


@pytest.mark.parametrize("sites", [[Site(0)], [Site(0), Site(1), Site(2)]])
def test_the_gradient_is_of_the_stream_and_the_side_path(sites: list[Site]) -> None:
    model = gemma4()
    gradient_ND = at_the_embedding(model).flatten(0, 1)
    torch.testing.assert_close(
        measured(model, sites)[Site(0)].agop_DD, gradient_ND.T @ gradient_ND, rtol=1e-9, atol=1e-12
    )
    check_embedding_paths(model, find_blocks(model, 2), IDS[0])


def test_later_sites_leave_the_side_path_out() -> None:
    """What goes past a block is not downstream of it, whichever sites are measured beside it."""
    model = gemma4()
    alone, among = measured(model, [Site(1)])[Site(1)], measured(model, [Site(0), Site(1)])[Site(1)]
    torch.testing.assert_close(alone.agop_DD, among.agop_DD, rtol=1e-9, atol=1e-12)


def test_the_probe_sees_both_paths() -> None:
    model = gemma4()
    blocks = find_blocks(model, 2)
    noise = gradient_noise(
        model,
        blocks,
        IDS[0],
        {Site(0): SiteSums.zeros(24, dtype=torch.float64, device=torch.device("cpu"))},
        lambda ids, kept: LossGradient().add_micro_batch(model, blocks, MicroBatch(ids), kept),
    )
    assert noise[Site(0)].trace < 1e-6


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("granite", "bloom", "opt-projected")])
def test_where_nothing_lies_between_it_is_the_embedding_itself(name: str) -> None:
    model = tiny_model(name, torch.float64)
    gradient_ND = at_the_embedding(model).flatten(0, 1)
    torch.testing.assert_close(
        measured(model, [Site(0)])[Site(0)].agop_DD, gradient_ND.T @ gradient_ND, rtol=1e-9, atol=1e-12
    )


class PastTheStream(nn.Module):
    """Two blocks; the second also reads the embedding, by no tensor that the first one gets."""

    _no_split_modules = ("Linear",)

    def __init__(self, share: float) -> None:
        super().__init__()
        self.embed, self.head, self.share = nn.Embedding(256, 24), nn.Linear(24, 256), share
        self.blocks = nn.ModuleList([nn.Linear(24, 24), nn.Linear(24, 24)])

    def get_input_embeddings(self) -> nn.Module:
        return self.embed

    def forward(self, input_ids: Tensor, use_cache: bool = False) -> Any:
        embedded = self.embed(input_ids)
        hidden = self.blocks[0](3 * embedded)
        return SimpleNamespace(logits=self.head(self.blocks[1](hidden + self.share * embedded)))


def test_another_way_past_the_stream_is_refused_by_name() -> None:
    torch.manual_seed(0)
    model = PastTheStream(1.0).requires_grad_(False)
    windows = random_windows(2, 9)
    with pytest.raises(
        NotAuditableError, match=r"PastTheStream: its embedding also enters later blocks.*--sites block\.0"
    ):
        extended(tiny_pass(model, dtype=torch.float32), windows)
    extended(tiny_pass(model, dtype=torch.float32, sites="block.0,block.1"), windows)
    extended(tiny_pass(PastTheStream(0.0).requires_grad_(False), dtype=torch.float32), windows)


def test_an_embedding_that_the_model_changes_in_place_can_be_measured() -> None:
    """CTRL multiplies it by the root of the width, in place."""
    config = transformers.CTRLConfig(vocab_size=256, n_embd=24, n_layer=2, n_head=4, dff=40, n_positions=64)
    torch.manual_seed(0)
    model = transformers.CTRLLMHeadModel(config).eval().double().requires_grad_(False)
    assert float(measured(model, [Site(0)])[Site(0)].rows().trace_K.sum()) > 0
