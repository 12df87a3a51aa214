"""Inputs on which float32 sums go wrong: held against products of pairs in float64, or flagged.

Gradients first, whose truth is known by a double sum over pairs; then whole models, against the slow twin or against
the same pass in float64.
"""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from shape_audit.interaction.estimators.statistics import QUOTIENTS
from shape_audit.interaction.estimators.window_rows import RepeatedWindows
from shape_audit.interaction.site_report import site_interaction
from shape_audit.interaction.stream.sites import Site
from shape_audit.interaction.twins.profile_twin import exact_sites
from shape_audit.models.blocks import find_blocks
from shape_audit.records import SiteInteraction
from tests.interaction.hard_gradients import (
    GRADIENTS,
    against_chance,
    heavy_window_that_others_hardly_meet,
    normal,
    one_heavy_window,
    sums_of,
    truth_of,
)
from tests.interaction.measured import DEPTH, LONG, SHORT, WIDTH, extended, random_windows, tiny_pass
from tests.tiny_models import tiny_model

NUMBERS = ("aofe", *QUOTIENTS)


def raw(site: SiteInteraction, name: str) -> float:
    value = getattr(site, name if name == "aofe" else f"{name}_raw")
    assert value is not None
    return float(value)


@pytest.mark.parametrize("name", GRADIENTS)
def test_hard_gradients_are_right_in_float32(name: str) -> None:
    """Right to 1e-4, and within the bound; the bound itself is far below what an interval leaves open."""
    gradients = GRADIENTS[name]()
    site, truth = site_interaction("x", sums_of(gradients)), truth_of(gradients)
    for number in NUMBERS:
        expected, bound = truth[number], site.rounding_error[number]
        assert expected is not None and bound is not None, number
        assert abs(raw(site, number) - expected) <= bound, number
        smallest = 1e-7 if number not in ("aofe", "effective_rank") else 0
        assert raw(site, number) == pytest.approx(expected, rel=1e-4, abs=smallest), number
    trace = float(gradients.float().double().square().sum()) / (len(gradients) * gradients.shape[1])
    assert site.trace == pytest.approx(trace, rel=1e-6)
    assert not set(site.limited_by_rounding) - {"aofe"}


def test_the_sums_do_not_depend_on_the_scale() -> None:
    """Powers of two change no digit."""
    gradients = one_heavy_window(1e3).float()
    plain, small = (site_interaction("x", sums_of(gradients * scale)) for scale in (1.0, 2.0**-70))
    for name in QUOTIENTS:
        assert getattr(plain, name) == getattr(small, name) and getattr(plain, f"{name}_ci") == getattr(
            small, f"{name}_ci"
        )


def windows_that_do_not_meet() -> Tensor:
    gradients = torch.zeros(8, 4, 8, dtype=torch.float64)
    for window in range(8):
        gradients[window, :, window] = 1
    return gradients @ torch.linalg.qr(normal(8, 8))[0]


@pytest.mark.parametrize("made", [windows_that_do_not_meet, lambda: heavy_window_that_others_hardly_meet(1e4)])
def test_a_number_that_rounding_decides_is_flagged(made: Callable[[], Tensor]) -> None:
    """Windows that hardly meet: their products are what rounding leaves of them."""
    site = site_interaction("x", sums_of(made()))
    assert {"aofe_ratio", "effective_rank"} <= set(site.limited_by_rounding)
    assert "trace" not in site.limited_by_rounding and not site.is_rounding_only


def test_equal_windows_count_once() -> None:
    gradients = normal(8, 6, 5)
    twice = sums_of(gradients.repeat_interleave(2, 0))
    repeated = RepeatedWindows.of([(i // 2,) for i in range(16)])
    once = site_interaction("x", sums_of(gradients))
    site = site_interaction("x", twice, repeated=repeated)
    for number in NUMBERS:
        assert raw(site, number) == pytest.approx(raw(once, number), rel=1e-5), number
    assert site.trace_ci == pytest.approx(once.trace_ci, rel=1e-5) and site.aofe_ratio_ci is not None
    same = site_interaction("x", sums_of(gradients[:1].expand(12, -1, -1)), repeated=RepeatedWindows.of([(1,)] * 12))
    assert same.aofe_ratio is None and same.aofe_ratio_ci is None and same.trace_ci is None
    assert same.aofe_ratio_plugin is not None


def planted_row(model: Any, windows: list[list[int]]) -> None:
    """The embedding of a token that one window has is nearly zero, which the norm after it makes up for."""
    windows[2][3] = 255
    for window in windows:
        window[:] = [7 if token == 255 and window is not windows[2] else token for token in window]
    windows[2][3] = 255
    model.model.embed_tokens.weight[255] *= 1e-9
    for module in model.modules():
        if hasattr(module, "variance_epsilon"):
            module.variance_epsilon = 1e-12


def massive_activations(model: Any, windows: list[list[int]]) -> None:
    model.model.embed_tokens.weight[:, 3] *= 1e3


def huge_first_token(model: Any, windows: list[list[int]]) -> None:
    model.model.embed_tokens.weight[1] *= 1e4
    for window in windows:
        window[0] = 1


def identity_block(model: Any, windows: list[list[int]]) -> None:
    for part in (model.model.layers[0].self_attn.o_proj, model.model.layers[0].mlp.down_proj):
        part.weight.zero_()


def dead_block(model: Any, windows: list[list[int]]) -> None:
    model.model.layers[1].input_layernorm.weight.zero_()
    model.model.layers[1].post_attention_layernorm.weight.zero_()


def tiny_gradients(model: Any, windows: list[list[int]]) -> None:
    model.model.norm.weight *= 1e-20


HARD_MODELS = (planted_row, massive_activations, huge_first_token, identity_block, dead_block, tiny_gradients)
MODELS = {made.__name__: made for made in HARD_MODELS}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("length", [SHORT, LONG])
def test_hard_models_agree_with_the_float64_twin(name: str, length: int) -> None:
    model, windows = tiny_model("llama", torch.float64), random_windows(8, length)
    MODELS[name](model, windows)
    agrees_with_the_float64_twin(model, windows)


def agrees_with_the_float64_twin(model: Any, windows: list[list[int]]) -> None:
    """A pass in float32 over a model in float64."""
    single = tiny_model("llama").eval()
    single.load_state_dict({key: value.float() for key, value in model.state_dict().items()})
    for one, other in zip(single.modules(), model.modules(), strict=True):
        if hasattr(other, "variance_epsilon"):
            one.variance_epsilon = other.variance_epsilon
    a_pass = extended(tiny_pass(single, dtype=torch.float32, batch=3), windows)
    exact = exact_sites(model, find_blocks(model, DEPTH), windows, [Site(p) for p in range(DEPTH + 1)])
    for site, truth in zip(a_pass.profile().sites, exact.values(), strict=True):
        aofe = truth.total_u - truth.diagonal_u
        expected = {
            "aofe_ratio": aofe / truth.total_u,
            "aofe_normalized": aofe / truth.trace2_u,
            "mean_cos2": aofe / (truth.trace2_u - truth.diagonal_u),
            "effective_rank": truth.trace2_u / truth.total_u,
        }
        for number, value in (expected | against_chance(expected, WIDTH)).items():
            # gradients of a float32 model are known to some 1e-6, and a planted row makes them larger by 1e5
            assert raw(site, number) == pytest.approx(value, rel=2e-3, abs=1e-5), (site.name, number)


def test_a_model_that_is_sure_of_the_text_agrees_with_the_float64_twin() -> None:
    """Every next token is the likeliest, with odds of 1e8 to 1 and more: float32 has nothing of 1 - p."""
    model, windows = tiny_model("llama", torch.float64), torch.tensor(random_windows(400, SHORT))
    for place in range(1, SHORT):
        windows[:, place] = model(input_ids=windows[:, :place]).logits[:, -1].argmax(-1)
    windows = windows.unique(dim=0)
    first, second = model(input_ids=windows[:, :-1]).logits.topk(2).values.unbind(-1)
    least, chosen = (first - second).amin(1).topk(8)
    model.lm_head.weight *= math.log(1e8) / least.min()
    agrees_with_the_float64_twin(model, windows[chosen].tolist())


def test_a_window_that_outweighs_the_others_is_named() -> None:
    model, windows = tiny_model("llama"), random_windows(8, SHORT)
    planted_row(model, windows)
    a_pass = extended(tiny_pass(model, dtype=torch.float32), windows)
    embedding = a_pass.profile().sites[0]
    assert embedding.heaviest_window == 2 and (embedding.heaviest_window_share or 0) > 0.99


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_true_gradient_of_zero_is_known_for_rounding(dtype: torch.dtype) -> None:
    """Equal rows of a tied embedding: all logits are equal whatever the stream says."""
    model = tiny_model("llama-tied", dtype)
    model.model.embed_tokens.weight[:] = model.model.embed_tokens.weight[7].clone()
    sites = extended(tiny_pass(model, dtype=dtype), random_windows(8, LONG)).profile().sites
    assert all(site.trace == 0 or (site.is_rounding_only and site.limited_by_rounding) for site in sites)


@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma2", "opt"])
def test_healthy_gradients_are_not_flagged(name: str) -> None:
    model = tiny_model(name)
    for site in extended(tiny_pass(model, dtype=torch.float32), random_windows(16, LONG)).profile().sites:
        assert not site.limited_by_rounding and not site.is_rounding_only
