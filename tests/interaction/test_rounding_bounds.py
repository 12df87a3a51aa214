"""Whether bounds on rounding hold: for every number that a site reports, against slow computations in float64."""

import math

import pytest
import torch
from torch import Tensor

from shape_audit.interaction.estimators.error_bars import ErrorBars, is_reference_point
from shape_audit.interaction.estimators.rounding import Rounding
from shape_audit.interaction.estimators.statistics import QUOTIENTS, plugin_energies, quotients, unbiased
from shape_audit.interaction.site_report import site_interaction
from tests.interaction.hard_gradients import GRADIENTS, massive_channel, one_heavy_window, sums_of, truth_of

FLOAT64 = 1e-11
"""Relative: what the slow computations in float64 are themselves wrong by, where they take one energy from another."""
HARDER = {
    "massive channel x 1e7": lambda: massive_channel(1e7),  # tr(G)^2 - sum_i G_ii^2 is 1e-14 of either
    "one channel and hardly another": lambda: massive_channel(1e6) * 1e-10,
}


def plugin_truth(exact_KTD: Tensor) -> dict[str, float]:
    """Plug-in numbers of gradients, written out."""
    agop_DD = torch.einsum("kti,ktj->ij", exact_KTD, exact_KTD) / (exact_KTD.shape[0] * exact_KTD.shape[1])
    off_DD = agop_DD - agop_DD.diagonal().diag()
    traces_DD = torch.outer(agop_DD.diagonal(), agop_DD.diagonal())
    aofe, total = float(off_DD.square().sum()), float(agop_DD.square().sum())
    return {
        "aofe_plugin": aofe,
        "aofe_ratio_plugin": aofe / total,
        "aofe_normalized_plugin": aofe / float(traces_DD.sum()),
        "mean_cos2_plugin": aofe / float((traces_DD - traces_DD.diagonal().diag()).sum()),
        "effective_rank_plugin": float(traces_DD.sum()) / total,
    }


def corrected_truth(exact_KTD: Tensor) -> dict[str, float]:
    """Quotients without their first-order bias, from whole matrices of all windows; no energy is taken from another."""
    count, tokens = exact_KTD.shape[:2]
    agop_KDD = [g_TD.T @ g_TD for g_TD in exact_KTD]
    influences, reference = [], 0
    pairs = [(s, r) for s in range(count) for r in range(count) if s != r]

    def parts(one: Tensor, other: Tensor) -> Tensor:
        """Of <one, other> what is off and on the diagonal, and products of different diagonal entries."""
        apart = 1 - torch.eye(len(one), dtype=torch.float64)
        on = one.diagonal() @ other.diagonal()
        return torch.stack(
            [(one * other * apart).sum(), on, (torch.outer(one.diagonal(), other.diagonal()) * apart).sum()]
        )

    energies = torch.stack([parts(agop_KDD[s], agop_KDD[r]) for s, r in pairs]).sum(0) / (len(pairs) * tokens**2)
    for s in range(count):
        reference = s if is_reference_point(s) else reference
        if reference:
            against = parts(agop_KDD[s], torch.stack(agop_KDD[:reference]).sum(0)) / (reference * tokens)
            influences.append(2 * (against - tokens * energies) / tokens)
    covariance = torch.stack(influences).T.cov() / count
    found = {}
    for name, quotient in quotients(exact_KTD.shape[-1]).items():
        forms = quotient.numerator, quotient.denominator
        by_parts = [(total, total + diagonal + trace2, trace2) for total, diagonal, trace2 in forms]
        numerator, denominator = (torch.tensor(form, dtype=torch.float64) for form in by_parts)
        a, b = numerator @ energies, denominator @ energies
        mixed, own = numerator @ covariance @ denominator, denominator @ covariance @ denominator
        found[name] = quotient.constant + float(a / b + mixed / b**2 - a * own / b**3)
    return found


@pytest.mark.parametrize("name", [*GRADIENTS, *HARDER])
def test_bounds_hold_for_every_number_of_a_site(name: str) -> None:
    gradients = (GRADIENTS | HARDER)[name]()
    scale = float(gradients.abs().max())  # fourth powers of 1e-30 are no doubles, nor are those of 1e20 for long
    gradients = (gradients / 2.0 ** round(math.log2(scale))).float()
    site = site_interaction("x", sums_of(gradients), spectrum=3)
    exact = gradients.double()
    truth = plugin_truth(exact) | corrected_truth(exact)
    for number, expected in truth.items():
        bound, found = site.rounding_error[number], getattr(site, number)
        assert bound is None or abs(found - expected) <= bound + FLOAT64 * abs(expected), number
    flat = exact.flatten(0, 1)
    eigenvalues = torch.linalg.svdvals(flat)[:3].square() / len(flat)
    assert site.spectrum is not None and site.spectrum_share is not None
    bound, of_share = site.rounding_error["spectrum"], site.rounding_error["spectrum_share"]
    assert bound is not None and of_share is not None
    for found, expected in zip(site.spectrum, eigenvalues.tolist(), strict=True):
        assert abs(found - expected) <= bound
    assert abs(site.spectrum_share - float(eigenvalues.sum() * len(flat) / flat.square().sum())) <= of_share


@pytest.mark.parametrize("name", ["plain", "fewer channels than tokens", "wider than a tile", "all x 1e-30"])
def test_bounds_are_small_where_nothing_is_hard(name: str) -> None:
    site = site_interaction("x", sums_of(GRADIENTS[name]()), spectrum=3)
    assert not site.limited_by_rounding
    for number in QUOTIENTS:
        bound, of_plugin = site.rounding_error[number], site.rounding_error[f"{number}_plugin"]
        low, high = getattr(site, f"{number}_ci")
        # of isotropic gradients a random basis has a ratio of 0, and alignment is a quotient by nearly nothing
        share = 1e-1 if number == "channel_alignment" else 1e-2
        assert bound is not None and 0 < bound < share * (high - low) / 2, number
        is_difference = number in ("aofe_ratio_excess", "channel_alignment")  # of shares of the energy, 0 by design
        size = 1.0 if is_difference else getattr(site, f"{number}_plugin")
        assert of_plugin is not None and 0 < of_plugin < 1e-3 * size, number


def test_a_difference_that_float64_cannot_hold_is_flagged() -> None:
    """Of one channel that is all: tr(G)^2 and sum_i G_ii^2 agree in sixteen digits."""
    for factor in (1e7, 1e8, 1e9):
        site = site_interaction("x", sums_of(massive_channel(factor)))
        for number in ("mean_cos2", "mean_cos2_plugin"):
            assert getattr(site, number) is None or number in site.limited_by_rounding, (factor, number)


def test_the_bias_correction_of_a_heavy_window_widens_the_bound() -> None:
    site = site_interaction("x", sums_of(one_heavy_window(1e3)))
    sums = sums_of(one_heavy_window(1e3))
    rounding, energies = Rounding(sums.rows(), torch.float32), unbiased(float(sums.pair_products), sums.rows())
    assert energies is not None
    for number, raw in rounding.of_unbiased(energies, None).items():
        bound = site.rounding_error[number]
        assert raw is not None and bound is not None and bound >= raw
    with_bias = rounding.of_unbiased(energies, ErrorBars(energies, sums.rows()))
    assert with_bias == {number: site.rounding_error[number] for number in with_bias}


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
    rounding = Rounding(sums.rows(), torch.float32)
    for number, bound in rounding.of_unbiased(energies, None).items():
        expected = truth.get(number)
        value = energies.aofe if number == "aofe" else energies.quotient(number)
        if bound is not None and value is not None and expected is not None and math.isfinite(expected):
            assert abs(value - expected) <= bound + 1e-12 * abs(expected), number
    plugin, exact = plugin_energies(sums), gradients.float().double()
    largest = float(exact.abs().max())
    if largest > 1e-25 and width > 1:
        for number, expected in plugin_truth(exact / largest).items():
            value = plugin.quotient(number.removesuffix("_plugin")) if number != "aofe_plugin" else None
            bound = rounding.of_plugin(plugin)[number] if value is not None else None
            if bound is not None and value is not None:
                assert abs(value - expected) <= bound + FLOAT64 * abs(expected), number
    eigenvalues = sums.eigenvalues(3)
    bound = rounding.of_spectrum(eigenvalues)["spectrum"]
    flat = exact.flatten(0, 1)
    for found, expected in zip(
        eigenvalues, torch.linalg.svdvals(flat)[: len(eigenvalues)].square() / len(flat), strict=False
    ):
        assert bound is not None and abs(found - expected) <= bound
