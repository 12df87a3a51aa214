"""Whether estimates of a real trained model are what they claim, with fixed seeds; benchmarks/fidelity.py does it at
length."""

import numpy as np
import pytest
import torch

from benchmarks.fidelity import Pool, measure, pools, truth_of, windows_of
from shape_audit.calibration import WindowSet, read_text
from shape_audit.hub import read_checkpoint
from shape_audit.interaction import PassPlan, ProfilePass, Site, parse_sites, protocol_of
from shape_audit.interaction.estimators.error_bars import ErrorBars
from shape_audit.interaction.estimators.statistics import unbiased
from shape_audit.models import LoadOptions, load_model
from shape_audit.shape import describe

MODEL, DEPTH, DRAWS = "builtin:bytes-1m", 5, 200
SITES = "embedding,block.2,block.4"


@pytest.fixture(scope="module")
def windows() -> WindowSet:
    return windows_of(MODEL, read_text(), 1024, seq_len=64)


@pytest.fixture(scope="module")
def pool_of(windows: WindowSet) -> dict[Site, Pool]:
    return pools(MODEL, windows, list(parse_sites(SITES, DEPTH)))


@pytest.mark.long
def test_a_sample_of_the_pool_is_what_a_pass_over_its_windows_gives(
    windows: WindowSet, pool_of: dict[Site, Pool]
) -> None:
    chosen = torch.randperm(1024, generator=torch.Generator().manual_seed(3))[:20]
    checkpoint = read_checkpoint(MODEL)
    loaded, shape = load_model(checkpoint, LoadOptions(device="cpu")), describe(checkpoint).shape
    a_pass = ProfilePass(loaded, shape, PassPlan(protocol_of("loss-gradient"), tuple(pool_of), seq_len=64))
    a_pass.extend([windows.windows[i] for i in chosen])
    for site, pool in zip(a_pass.profile().sites, pool_of.values(), strict=True):
        pair_products, rows = pool.rows(chosen)
        energies = unbiased(pair_products, rows)
        assert energies is not None
        bars = ErrorBars(energies, rows)
        assert site.aofe == pytest.approx(energies.aofe, rel=1e-4)  # the pool's products are float32
        assert site.aofe_ratio == pytest.approx(bars.corrected("aofe_ratio"), rel=1e-4)
        assert site.aofe_ratio_ci == pytest.approx(bars.quotient_interval("aofe_ratio"), rel=1e-3)
        assert site.aofe_ci == pytest.approx(bars.aofe_interval(), rel=1e-3)


@pytest.mark.long
def test_estimates_from_eight_windows_are_unbiased_and_the_plug_in_is_not(pool_of: dict[Site, Pool]) -> None:
    for pool in pool_of.values():
        truth, found = truth_of(pool), measure(pool, 8, DRAWS)
        expected = {"total": truth.total, "diagonal": truth.diagonal, "ratio": truth.aofe_ratio}
        for name, value in expected.items():
            assert value is not None
            assert abs(found[name].mean() - value) < 3 * found[name].std(ddof=1) / np.sqrt(DRAWS), name
        error = found["total plug-in"].std(ddof=1) / np.sqrt(DRAWS)
        assert found["total plug-in"].mean() - truth.total > 3 * error


@pytest.mark.long
def test_intervals_from_eight_and_from_512_windows_overlap(pool_of: dict[Site, Pool]) -> None:
    for pool in pool_of.values():
        few, many = measure(pool, 8, 100), measure(pool, 512, 100, seed=1)
        overlap = (few["ratio low"] <= many["ratio high"]) & (few["ratio high"] >= many["ratio low"])
        assert overlap.mean() >= 0.9


@pytest.mark.long
def test_the_end_of_an_interval_is_as_uncertain_as_it_says(pool_of: dict[Site, Pool]) -> None:
    """Coverage at 32 windows: 300 samples, 92 to 98 % give or take three errors."""
    for site, pool in pool_of.items():
        found = measure(pool, 32, 300)
        for name in ("ratio covers", "aofe covers"):
            assert 0.88 <= found[name].mean() <= 0.995, (site.name, name)
