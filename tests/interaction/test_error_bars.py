"""Error bars: what they need, what merges, and that they cover what they should where the truth is known."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shape_audit.interaction.estimators.error_bars import (
    ErrorBars,
    degrees_of_freedom,
    is_reference_point,
    mean_interval,
)
from shape_audit.interaction.estimators.sample_size import MIN_WINDOWS
from shape_audit.interaction.estimators.statistics import QUOTIENTS, plugin_energies, u_energies
from shape_audit.interaction.estimators.sums import SiteSums
from shape_audit.interaction.site_report import site_interaction
from tests.interaction.measured import SHORT, extended, measured_sums, random_windows, tiny_pass

CPU = torch.device("cpu")
WIDTH = 5


def sums_of(gradients_KTD: torch.Tensor, first: int = 0) -> SiteSums:
    """As a pass adds them: S_ref frozen at 4, 8, 16 ..., and what comes between as one micro-batch."""
    sums, windows = SiteSums.zeros(gradients_KTD.shape[-1], dtype=gradients_KTD.dtype, device=CPU), len(gradients_KTD)
    begins = [number for number in range(windows) if number == 0 or is_reference_point(number)]
    for begin, end in pairwise([*begins, windows]):
        if begin:
            sums.freeze()
        sums.add(gradients_KTD[begin:end], first + begin)
    return sums


def noise(windows: int, tokens: int = 4, seed: int = 0, width: int = WIDTH) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(windows, tokens, width, generator=generator, dtype=torch.float64)


counts = st.integers(0, 5)


@given(sizes=st.tuples(counts, counts, counts), tokens=st.sampled_from([2, 9]), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_merging_is_associative_and_commutative(sizes: tuple[int, int, int], tokens: int, seed: int) -> None:
    gradients = noise(sum(sizes), tokens, seed)
    begins = np.cumsum([0, *sizes])

    def part(i: int) -> SiteSums:
        return sums_of(gradients[begins[i] : begins[i + 1]], first=int(begins[i]))

    def merged(*order: int) -> SiteSums:
        whole = SiteSums.zeros(WIDTH, dtype=torch.float64, device=CPU)
        for i in order:
            whole.merge(part(i))
        return whole

    nested, inner = part(0), part(1)
    inner.merge(part(2))
    nested.merge(inner)
    for other in (merged(0, 1, 2), merged(2, 0, 1)):
        torch.testing.assert_close(other.agop_DD, nested.agop_DD, rtol=1e-12, atol=1e-12)
        for column, same in zip(other.rows().tensors(), nested.rows().tensors(), strict=True):
            assert torch.equal(column, same)
    unbiased = u_energies(nested)
    if sum(sizes) < 2:
        assert unbiased is None
    else:
        straight = u_energies(sums_of(gradients))
        assert unbiased is not None and straight is not None
        assert unbiased.total == pytest.approx(straight.total, rel=1e-9, abs=1e-12)


def test_no_window_has_no_agop() -> None:
    empty = SiteSums.zeros(WIDTH, dtype=torch.float32, device=CPU)
    assert len(empty.rows()) == 0 and u_energies(empty) is None
    with pytest.raises(ValueError, match="no windows"):
        plugin_energies(empty)


def test_a_window_counts_once() -> None:
    sums = sums_of(noise(3))
    sums.merge(sums_of(noise(1), first=2))
    with pytest.raises(ValueError, match="added twice"):
        sums.rows()


@pytest.mark.parametrize("windows", range(1, 10))
def test_intervals_and_corrections_begin_with_six_windows(windows: int) -> None:
    site = site_interaction("embedding", sums_of(noise(windows)))
    has_intervals = [getattr(site, f"{name}_ci") is not None for name in (*QUOTIENTS, "aofe", "trace")]
    assert set(has_intervals) == {windows >= MIN_WINDOWS}
    assert (site.aofe_ratio is None) == (windows == 1)
    if windows < MIN_WINDOWS:
        assert all(getattr(site, name) == getattr(site, f"{name}_raw") for name in QUOTIENTS)
    else:
        assert site.aofe_ratio != site.aofe_ratio_raw
    if windows == 5:
        unbiased, rows = u_energies(sums_of(noise(5))), sums_of(noise(5)).rows()
        assert unbiased is not None
        with pytest.raises(ValueError, match="too few influences"):
            ErrorBars(unbiased, rows)


def test_equal_windows_have_no_error() -> None:
    site = site_interaction("embedding", sums_of(noise(1).expand(12, -1, -1)))
    assert site.aofe_ratio is not None and site.aofe is not None
    assert site.aofe_ratio == pytest.approx(site.aofe_ratio_plugin, rel=1e-12)
    assert site.aofe_ratio_ci == pytest.approx((site.aofe_ratio, site.aofe_ratio), rel=1e-9)
    assert site.aofe_ci == pytest.approx((site.aofe, site.aofe), rel=1e-9)


def test_a_site_without_gradient_has_no_intervals_of_ratios() -> None:
    site = site_interaction("block.0", sums_of(torch.zeros(9, 4, WIDTH)))
    assert site.aofe_ratio is site.aofe_ratio_ci is site.effective_rank_ci is None
    assert site.aofe_ci == (0, 0) and site.trace_ci == (0, 0) and not site.below_noise_floor


def test_noise_that_reads_a_negative_aofe_has_an_interval_around_it() -> None:
    sites = [site_interaction("embedding", sums_of(noise(8, seed=seed, width=8))) for seed in range(40)]
    negative = [site for site in sites if site.aofe is not None and site.aofe < 0]
    assert negative and all(site.below_noise_floor for site in negative)
    for site in negative:
        assert site.aofe_ci is not None and site.aofe is not None
        assert site.aofe_ci[0] < site.aofe < site.aofe_ci[1]


def test_intervals_cover_a_known_truth_and_the_correction_takes_bias_off() -> None:
    """Gaussian gradients whose G is known: 400 samples of 32 windows (a few standard errors around 95 %)."""
    generator = torch.Generator().manual_seed(4)
    root_DD = torch.randn(WIDTH, WIDTH, generator=generator, dtype=torch.float64)
    truth_DD = root_DD.T @ root_DD
    energy = float(truth_DD.square().sum())
    ratio = 1 - float(truth_DD.diagonal().square().sum()) / energy
    random_basis = 1 - (float(truth_DD.trace()) ** 2 / energy + 2) / (WIDTH + 2)
    truth = {
        "aofe_ratio": ratio, "aofe_ratio_random_basis": random_basis, "aofe_ratio_excess": ratio - random_basis,
        "channel_alignment": 1 - ratio / random_basis,
    }  # fmt: skip
    covered: dict[str, list[bool]] = {name: [] for name in truth}
    raw, corrected = ({name: list[float]() for name in truth} for _ in range(2))
    for _ in range(400):
        gradients = torch.randn(32, 3, WIDTH, generator=generator, dtype=torch.float64) @ root_DD
        sums = sums_of(gradients)
        energies = u_energies(sums)
        assert energies is not None
        bars = ErrorBars(energies, sums.rows())
        for name, value in truth.items():
            interval, found, uncorrected = bars.quotient_interval(name), bars.corrected(name), energies.quotient(name)
            assert interval is not None and found is not None and uncorrected is not None
            covered[name].append(interval[0] <= value <= interval[1])
            raw[name].append(uncorrected - value)
            corrected[name].append(found - value)
    for name in truth:
        assert 0.91 <= np.mean(covered[name]) <= 0.985, name
        assert abs(np.mean(corrected[name])) < abs(np.mean(raw[name])), name


def test_heavy_tails_are_worth_fewer_degrees_of_freedom() -> None:
    normal = torch.randn(2000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert degrees_of_freedom(normal) > 1700
    assert degrees_of_freedom(normal**3) < 300
    assert degrees_of_freedom(torch.tensor([0.0, 1.0]).double()) == 1


def test_the_interval_of_a_mean_is_students() -> None:
    amounts = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    low, high = mean_interval(amounts, torch.ones(6)) or (0, 0)
    assert (low + high) / 2 == pytest.approx(3.5)
    assert (high - low) / 2 == pytest.approx(2.5706 * math.sqrt(3.5 / 6), rel=1e-4)  # t of 5 degrees, s^2 = 3.5
    assert mean_interval(amounts[:5], torch.ones(5)) is None
    assert mean_interval(amounts, torch.zeros(6)) is None


def test_shuffled_windows_change_no_estimate_and_intervals_little() -> None:
    windows = random_windows(32, SHORT)
    order = torch.randperm(32, generator=torch.Generator().manual_seed(7)).tolist()
    straight, shuffled = measured_sums("llama", windows), measured_sums("llama", [windows[i] for i in order])
    for site, sums in straight.items():
        one, two = site_interaction("x", sums), site_interaction("x", shuffled[site])
        for name in ("aofe", "trace", "aofe_ratio_raw", "aofe_ratio_plugin", "mean_cos2_raw", "effective_rank_raw"):
            assert getattr(one, name) == pytest.approx(getattr(two, name), rel=1e-9), name
        assert one.aofe_ratio is not None and two.aofe_ratio is not None and one.aofe_ratio_ci is not None
        assert abs(one.aofe_ratio - two.aofe_ratio) < (one.aofe_ratio_ci[1] - one.aofe_ratio_ci[0]) / 4


def test_a_pass_that_goes_on_gives_what_one_pass_gives() -> None:
    windows = random_windows(23, SHORT)
    once = extended(tiny_pass("gpt2", batch=16), windows).profile()
    twice = tiny_pass("gpt2", batch=16)
    extended(twice, windows[:16])
    assert extended(twice, windows[16:]).profile().sites == once.sites
    assert twice.profile().loss == once.loss


def test_the_largest_eigenvalues_and_their_share() -> None:
    gradients = noise(6)
    site = site_interaction("x", sums_of(gradients), spectrum=2)
    g_DD = torch.einsum("ktd,kte->de", gradients, gradients) / 24
    expected = np.sort(np.linalg.eigvalsh(g_DD.numpy()))[::-1]
    assert site.spectrum == pytest.approx(list(expected[:2]))
    assert site.spectrum_share == pytest.approx(expected[:2].sum() / expected.sum())
    assert len(sums_of(gradients).eigenvalues(99)) == WIDTH
