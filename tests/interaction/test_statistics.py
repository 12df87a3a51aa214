"""Energies from sums: their bias, and what they say where there is nothing to say."""

import numpy as np
import pytest
import torch

from shape_audit.interaction.estimators.statistics import plugin_energies, u_energies
from shape_audit.interaction.estimators.sums import SiteSums
from shape_audit.interaction.site_report import site_interaction

CPU = torch.device("cpu")


def sums_of(gradients: torch.Tensor) -> SiteSums:
    sums = SiteSums.zeros(gradients.shape[-1], dtype=gradients.dtype, device=CPU)
    sums.add(gradients, 0)
    return sums


def test_u_statistics_are_unbiased_where_the_plug_in_is_not() -> None:
    """Isotropic gradients: G is the identity, AOFE is 0; few windows make the plug-in read interaction."""
    generator = torch.Generator().manual_seed(0)
    width, draws = 6, 400
    u, plugin = [], []
    for _ in range(draws):
        sums = sums_of(torch.randn(4, 5, width, generator=generator, dtype=torch.float64))
        unbiased = u_energies(sums)
        assert unbiased is not None
        u.append([unbiased.total, unbiased.diagonal, unbiased.trace2])
        plugin.append(plugin_energies(sums).total)
    truth = np.array([width, width, width**2])
    standard_error = np.std(u, axis=0) / np.sqrt(draws)
    assert (np.abs(np.mean(u, axis=0) - truth) < 3 * standard_error).all()
    assert np.mean(plugin) - width > 10 * np.std(plugin) / np.sqrt(draws)


def test_noise_below_the_floor_is_flagged_and_never_clipped() -> None:
    generator = torch.Generator().manual_seed(0)
    sites = [site_interaction("embedding", sums_of(torch.randn(3, 4, 8, generator=generator))) for _ in range(50)]
    negative = [site for site in sites if site.aofe is not None and site.aofe < 0]
    assert negative and all(site.below_noise_floor for site in negative)
    assert all(site.aofe_plugin > 0 for site in sites)


def test_one_window_gives_plug_in_values_only() -> None:
    site = site_interaction("embedding", sums_of(torch.randn(1, 4, 8)))
    assert site.aofe is site.aofe_ratio is site.mean_cos2 is site.effective_rank is site.aofe_normalized is None
    assert site.aofe_plugin > 0 and site.trace > 0 and not site.below_noise_floor


def test_a_site_without_gradient_has_no_ratio() -> None:
    site = site_interaction("block.0", sums_of(torch.zeros(3, 4, 8)))
    assert (site.aofe, site.trace, site.aofe_plugin) == (0, 0, 0)
    assert site.aofe_ratio is site.aofe_ratio_plugin is site.effective_rank is None
    assert not site.below_noise_floor


def test_equal_windows_have_the_same_plug_in_and_unbiased_values() -> None:
    """Without sampling noise there is no bias to remove."""
    gradient = torch.randn(1, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    sums = sums_of(gradient.expand(6, -1, -1))
    plugin, unbiased = plugin_energies(sums), u_energies(sums)
    assert unbiased is not None
    assert [plugin.total, plugin.diagonal, plugin.trace2] == pytest.approx(
        [unbiased.total, unbiased.diagonal, unbiased.trace2], rel=1e-12
    )


def test_one_channel_carrying_everything_does_not_interact() -> None:
    gradients = torch.zeros(4, 6, 5, dtype=torch.float64)
    gradients[..., 2] = torch.randn(4, 6, dtype=torch.float64)
    site = site_interaction("embedding", sums_of(gradients))
    assert site.aofe_ratio == pytest.approx(0, abs=1e-12)
    assert site.effective_rank == pytest.approx(1)


@pytest.mark.parametrize("tokens", [7, 700])
def test_wide_sites_are_summed_block_by_block_to_the_same_matrix(tokens: int) -> None:
    """Wider than one block of rows, with fewer and with more tokens than channels."""
    gradients = torch.randn(2, tokens, 600, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    sums = sums_of(gradients)
    whole = torch.einsum("btd,bte->de", gradients, gradients)
    torch.testing.assert_close(sums.agop_DD, whole, rtol=1e-12, atol=1e-12)
    plugin = plugin_energies(sums)
    n = 2 * tokens
    assert plugin.total == pytest.approx(float((whole / n).square().sum()), rel=1e-12)
    assert plugin.diagonal == pytest.approx(float((whole.diagonal() / n).square().sum()), rel=1e-12)
