"""The fast path against the slow twin, in float64: every site's G, energies and U-statistics."""

from collections.abc import Sequence

import pytest
import torch

from shape_audit.interaction.loss_gradient import add_micro_batch
from shape_audit.interaction.residual_stream import find_blocks
from shape_audit.interaction.sites import Site, parse_sites
from shape_audit.interaction.slow_twin import exact_sites
from shape_audit.interaction.statistics import plugin_energies, u_energies
from shape_audit.interaction.sums import SiteSums
from tests.tiny_models import CASES, tiny_model

DEPTH, WIDTH = 2, 24
SHORT, LONG = 9, 40
"""Window lengths on either side of the width: the two ways of forming ||A_s||^2."""


def random_windows(count: int, length: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, length), generator=generator).tolist()


def fast_sums(
    model: torch.nn.Module, windows: Sequence[Sequence[int]], sites: Sequence[Site], batch: int
) -> dict[Site, SiteSums]:
    sums = {site: SiteSums.zeros(WIDTH, dtype=torch.float64, device=torch.device("cpu")) for site in sites}
    blocks = find_blocks(model, DEPTH)
    for first in range(0, len(windows), batch):
        add_micro_batch(model, blocks, torch.tensor(windows[first : first + batch]), sums)
    return sums


@pytest.mark.parametrize(
    ("name", "length"),
    [*((name, SHORT) for name in CASES), *((name, LONG) for name in ("llama", "gpt2", "gemma2", "opt"))],
)
def test_every_site_equals_the_slow_twin(name: str, length: int) -> None:
    model, sites = tiny_model(name, torch.float64), parse_sites("all", DEPTH)
    windows = random_windows(5, length)
    exact = exact_sites(model, find_blocks(model, DEPTH), windows, sites)
    fast = fast_sums(model, windows, sites, batch=2)
    for site in sites:
        sums, truth = fast[site], exact[site]
        plugin, unbiased = plugin_energies(sums), u_energies(sums)
        assert unbiased is not None
        torch.testing.assert_close(sums.agop_DD / sums.tokens, truth.agop_DD, rtol=1e-10, atol=1e-14)
        computed = [plugin.total, plugin.diagonal, plugin.trace2, unbiased.total, unbiased.diagonal, unbiased.trace2]
        expected = [truth.total_plugin, truth.diagonal_plugin, truth.trace2_plugin,
                    truth.total_u, truth.diagonal_u, truth.trace2_u]  # fmt: skip
        assert computed == pytest.approx(expected, rel=1e-10)
        assert unbiased.aofe_ratio == pytest.approx(1 - truth.diagonal_u / truth.total_u, rel=1e-10)
        aofe = truth.total_u - truth.diagonal_u
        assert unbiased.aofe_normalized == pytest.approx(aofe / truth.trace2_u, rel=1e-9)
        assert unbiased.mean_cos2 == pytest.approx(aofe / (truth.trace2_u - truth.diagonal_u), rel=1e-9)
        assert unbiased.effective_rank == pytest.approx(truth.trace2_u / truth.total_u, rel=1e-10)


@pytest.mark.parametrize("name", CASES)
def test_any_micro_batch_gives_the_same_sums(name: str) -> None:
    model, sites = tiny_model(name, torch.float64), parse_sites("all", DEPTH)
    windows = random_windows(8, SHORT)
    one, seven = fast_sums(model, windows, sites, batch=1), fast_sums(model, windows, sites, batch=7)
    for site in sites:
        assert one[site].tokens == seven[site].tokens == 8 * (SHORT - 1)
        torch.testing.assert_close(one[site].agop_DD, seven[site].agop_DD, rtol=1e-10, atol=1e-14)
        torch.testing.assert_close(one[site].scalars, seven[site].scalars, rtol=1e-10, atol=1e-14)


def test_a_chosen_site_has_the_sums_it_has_among_all() -> None:
    model, windows = tiny_model("gpt2", torch.float64), random_windows(3, SHORT)
    all_sums = fast_sums(model, windows, parse_sites("all", DEPTH), batch=3)
    for text in ("embedding", "block.0", "block.1", "block.0,block.1"):
        for site, sums in fast_sums(model, windows, parse_sites(text, DEPTH), batch=3).items():
            torch.testing.assert_close(sums.agop_DD, all_sums[site].agop_DD, rtol=1e-10, atol=1e-14)


def test_windows_of_several_lengths_merge_to_what_one_run_gives() -> None:
    model, sites = tiny_model("llama", torch.float64), parse_sites("embedding", DEPTH)
    short, long = random_windows(3, SHORT), random_windows(2, LONG)
    exact = exact_sites(model, find_blocks(model, DEPTH), [*short, *long], sites)[sites[0]]
    merged = fast_sums(model, short, sites, batch=3)[sites[0]]
    merged.merge(fast_sums(model, long, sites, batch=2)[sites[0]])
    unbiased = u_energies(merged)
    assert unbiased is not None
    assert [unbiased.total, unbiased.diagonal] == pytest.approx([exact.total_u, exact.diagonal_u], rel=1e-10)


def test_float32_agrees_with_float64() -> None:
    windows, sites = random_windows(4, LONG), parse_sites("all", DEPTH)
    double = fast_sums(tiny_model("llama", torch.float64), windows, sites, batch=4)
    single_model = tiny_model("llama", torch.float64).float()
    blocks = find_blocks(single_model, DEPTH)
    single = {site: SiteSums.zeros(WIDTH, dtype=torch.float32, device=torch.device("cpu")) for site in sites}
    add_micro_batch(single_model, blocks, torch.tensor(windows), single)
    for site in sites:
        assert single[site].agop_DD.dtype == torch.float32
        u_single, u_double = u_energies(single[site]), u_energies(double[site])
        assert u_single is not None and u_double is not None
        # float32 gradients carry relative errors of some 1e-6, and the U-statistic is a small difference
        assert u_single.total == pytest.approx(u_double.total, rel=1e-3)
        assert u_single.trace2 == pytest.approx(u_double.trace2, rel=1e-4)
