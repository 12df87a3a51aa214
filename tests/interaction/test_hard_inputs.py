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

from shape_audit.interaction.estimators.error_bars import is_reference_point
from shape_audit.interaction.estimators.rounding import rounding_errors
from shape_audit.interaction.estimators.statistics import QUOTIENTS, unbiased
from shape_audit.interaction.estimators.sums import SiteSums
from shape_audit.interaction.estimators.window_rows import RepeatedWindows
from shape_audit.interaction.site_report import site_interaction
from shape_audit.interaction.stream.sites import Site
from shape_audit.interaction.twins.profile_twin import exact_site, exact_sites
from shape_audit.models.blocks import find_blocks
from shape_audit.records import SiteInteraction
from tests.interaction.measured import DEPTH, LONG, SHORT, WIDTH, extended, random_windows, tiny_pass
from tests.tiny_models import tiny_model

CPU = torch.device("cpu")
NUMBERS = ("aofe", *QUOTIENTS)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def one_heavy_window(factor: float, at: int = 2) -> Tensor:
    gradients = normal(8, 16, 12)
    gradients[at] *= factor
    return gradients


def heavy_token_of_one_direction(factor: float, at: int = 0) -> Tensor:
    gradients = normal(8, 16, 12)
    gradients[at, 3] += factor * normal(12, seed=1)
    return gradients


def massive_channel(factor: float) -> Tensor:
    gradients = normal(8, 16, 12)
    gradients[:, :, 5] *= factor
    return gradients


def heavy_window_that_others_hardly_meet(factor: float) -> Tensor:
    direction = normal(12, seed=1)
    direction /= direction.norm()
    gradients = normal(8, 16, 12)
    gradients -= 0.999 * (gradients @ direction).unsqueeze(-1) * direction
    gradients[5] += factor * direction
    return gradients


GRADIENTS: dict[str, Callable[[], Tensor]] = {
    "plain": lambda: normal(8, 16, 12),
    "fewer channels than tokens": lambda: normal(8, 40, 5),
    "wider than a tile": lambda: normal(6, 3, 300),
    "one window x 1e3": lambda: one_heavy_window(1e3),
    "one window x 1e6": lambda: one_heavy_window(1e6),
    "the first window x 1e12": lambda: one_heavy_window(1e12, at=0),
    "the last window x 1e12": lambda: one_heavy_window(1e12, at=7),
    "one window x 1e-12": lambda: one_heavy_window(1e-12),
    "one token x 1e5": lambda: heavy_token_of_one_direction(1e5),
    "one token x 1e10": lambda: heavy_token_of_one_direction(1e10, at=6),
    "massive channel x 1e2": lambda: massive_channel(1e2),
    "massive channel x 1e4": lambda: massive_channel(1e4),
    "dead channels": lambda: massive_channel(0.0),
    "all x 1e-20": lambda: normal(8, 16, 12) * 1e-20,
    "all x 1e-30": lambda: normal(8, 16, 12) * 1e-30,
    "all x 1e20": lambda: normal(8, 16, 12) * 1e20,
    "all x 1e-20, one window x 1e6": lambda: one_heavy_window(1e6) * 1e-20,
    "one direction and a little noise": lambda: normal(8, 16, 1) * normal(12, seed=1) + 1e-3 * normal(8, 16, 12),
}


def sums_of(gradients_KTD: Tensor, batch: int = 3) -> SiteSums:
    """As a pass adds them in float32, micro-batches ending where S_ref is frozen."""
    sums = SiteSums.zeros(gradients_KTD.shape[-1], dtype=torch.float32, device=CPU)
    number = 0
    while number < len(gradients_KTD):
        if is_reference_point(number):
            sums.freeze()
        end = next(i for i in range(number + 1, number + batch + 1) if is_reference_point(i) or i == number + batch)
        sums.add(gradients_KTD[number:end].float(), number)
        number = min(end, len(gradients_KTD))
    return sums


def truth_of(gradients_KTD: Tensor) -> dict[str, float | None]:
    """Of the very float32 gradients, by pairs of windows in float64; scaled, since fourth powers of 1e-30 vanish."""
    exact = gradients_KTD.float().double()
    scale = float(exact.abs().max())
    site = exact_site([g.T @ g for g in exact / scale], [exact.shape[1]] * len(exact))
    count, tokens = exact.shape[:2]
    pairs = [(s, r) for s in range(count) for r in range(count) if r != s]
    off = sum(_off(exact[s] / scale, exact[r] / scale) for s, r in pairs) / (len(pairs) * tokens**2)
    quotients = {
        "aofe_ratio": off / site.total_u,
        "aofe_normalized": off / site.trace2_u,
        "mean_cos2": off / (site.trace2_u - site.diagonal_u),
        "effective_rank": site.trace2_u / site.total_u,
    }
    return {"aofe": off * scale**4, **quotients, **against_chance(quotients, exact.shape[-1])}


def against_chance(quotients: dict[str, float], width: int) -> dict[str, float]:
    basis = 1 - (quotients["effective_rank"] + 2) / (width + 2)
    excess = quotients["aofe_ratio"] - basis
    return {
        "aofe_ratio_random_basis": basis, "aofe_ratio_excess": excess,
        "channel_alignment": -excess / basis if basis else math.nan,
    }  # fmt: skip


def _off(one_TD: Tensor, other_TD: Tensor) -> float:
    one, other = one_TD.T @ one_TD, other_TD.T @ other_TD
    return float((one * other).sum() - one.diagonal() @ other.diagonal())


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


@pytest.mark.parametrize("seed", range(60))
def test_bounds_hold_for_random_hard_gradients(seed: int) -> None:
    """Windows, channels and tokens whose sizes differ by many powers of ten, some windows of one direction."""
    generator = torch.Generator().manual_seed(seed)

    def spread(*shape: int, largest: float) -> Tensor:
        return 10.0 ** (largest * (2 * torch.rand(*shape, generator=generator, dtype=torch.float64) - 1))

    count, tokens, width = [(2, 3, 1), (3, 16, 5), (8, 40, 24), (20, 5, 40), (9, 100, 7), (6, 2, 300)][seed % 6]
    gradients = torch.randn(count, tokens, width, generator=generator, dtype=torch.float64)
    gradients *= spread(count, 1, 1, largest=seed % 7) * spread(width, largest=seed % 4)
    if seed % 3 == 0:
        gradients[seed % count] += torch.randn(width, generator=generator, dtype=torch.float64) * 10 ** (seed % 8)
    gradients *= 10.0 ** (seed % 40 - 25)
    sums = sums_of(gradients)
    energies = unbiased(float(sums.pair_products), sums.rows())
    assert energies is not None
    truth = truth_of(gradients) if width > 1 else {}
    for number, bound in rounding_errors(float(sums.pair_products), sums.rows(), torch.float32).items():
        expected = truth.get(number)
        value = energies.aofe if number == "aofe" else energies.quotient(number) if number in QUOTIENTS else None
        if bound is not None and value is not None and expected is not None and math.isfinite(expected):
            assert abs(value - expected) <= bound + 1e-12 * abs(expected), number


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
