"""The fast path against the slow twin, in float64: G, energies, U-statistics and influences of every protocol."""

import pytest
import torch

from shape_audit.errors import NotAuditableError
from shape_audit.interaction.estimators.error_bars import influences
from shape_audit.interaction.estimators.site_evidence import SiteEvidence
from shape_audit.interaction.estimators.statistics import plugin_energies, u_energies
from shape_audit.interaction.estimators.sums import SiteSums
from shape_audit.interaction.protocols.output_gradient import OutputGradient
from shape_audit.interaction.protocols.projected_output import ProjectedOutput
from shape_audit.interaction.stream.sites import OUTPUT, parse_sites
from shape_audit.interaction.twins.profile_twin import (
    ExactSite,
    cross_entropy,
    exact_output,
    exact_sites,
    probed_logits,
)
from shape_audit.models.blocks import find_blocks
from tests.interaction.measured import DEPTH, LONG, SHORT, WIDTH, measured_sums, random_windows
from tests.tiny_models import CASES, tiny_model

TWIN_TABLE = [(name, length) for name in ("llama", "llama-tied", "gpt2", "gpt2-untied", "gemma2", "opt")
              for length in (SHORT, LONG)]  # fmt: skip
"""Every protocol is held against its twin on these."""


def assert_equal(sums: SiteSums, exact: ExactSite, rtol: float = 1e-10) -> None:
    smallest = rtol * float(exact.agop_DD.abs().max())
    torch.testing.assert_close(sums.agop_DD / sums.rows().tokens, exact.agop_DD, rtol=rtol, atol=smallest)
    assert_equal_energies(sums, exact, rtol)


def assert_equal_energies(sums: SiteEvidence, exact: ExactSite, rtol: float = 1e-10) -> None:
    rows, plugin, unbiased = sums.rows(), plugin_energies(sums), u_energies(sums)
    assert unbiased is not None
    computed = [plugin.total, plugin.diagonal, plugin.trace2, unbiased.total, unbiased.diagonal, unbiased.trace2]
    expected = [exact.total_plugin, exact.diagonal_plugin, exact.trace2_plugin,
                exact.total_u, exact.diagonal_u, exact.trace2_u]  # fmt: skip
    assert computed == pytest.approx(expected, rel=rtol)
    assert unbiased.aofe_ratio == pytest.approx(1 - exact.diagonal_u / exact.total_u, rel=rtol)
    aofe = exact.total_u - exact.diagonal_u
    assert unbiased.aofe_normalized == pytest.approx(aofe / exact.trace2_u, rel=10 * rtol)
    assert unbiased.mean_cos2 == pytest.approx(aofe / (exact.trace2_u - exact.diagonal_u), rel=10 * rtol)
    assert unbiased.effective_rank == pytest.approx(exact.trace2_u / exact.total_u, rel=rtol)
    random_basis = 1 - (exact.trace2_u / exact.total_u + 2) / (sums.width + 2)
    excess = aofe / exact.total_u - random_basis
    assert unbiased.quotient("aofe_ratio_random_basis") == pytest.approx(random_basis, rel=rtol)
    assert unbiased.quotient("aofe_ratio_excess") == pytest.approx(excess, rel=10 * rtol, abs=rtol)
    assert unbiased.quotient("channel_alignment") == pytest.approx(-excess / random_basis, rel=10 * rtol, abs=rtol)
    psi = influences(unbiased, rows)
    scale = psi.abs().amax(0)  # a single influence may be a small difference
    expected_psi = torch.tensor(list(exact.influences.values()), dtype=torch.float64).reshape(-1, 3)
    torch.testing.assert_close(psi / scale, expected_psi / scale, rtol=100 * rtol, atol=10 * rtol)


@pytest.mark.parametrize("name", CASES)
def test_every_site_equals_the_slow_twin(name: str) -> None:
    model, sites, windows = tiny_model(name, torch.float64), parse_sites("all", DEPTH), random_windows(6, SHORT)
    exact = exact_sites(model, find_blocks(model, DEPTH), windows, sites)
    fast = measured_sums(model, windows, batch=4)
    for site in sites:
        assert_equal(fast[site], exact[site])


@pytest.mark.parametrize(("name", "length"), TWIN_TABLE)
@pytest.mark.parametrize("protocol", ["loss-gradient", "output-gradient"])
def test_gradient_protocols_equal_their_twins_with_error_bars(protocol: str, name: str, length: int) -> None:
    model, sites, windows = tiny_model(name, torch.float64), parse_sites("all", DEPTH), random_windows(11, length)
    probing = OutputGradient(seed=3) if protocol == "output-gradient" else None
    scalar = probed_logits(probing) if probing else cross_entropy
    exact = exact_sites(model, find_blocks(model, DEPTH), windows, sites, scalar)
    for site, sums in measured_sums(model, windows, batch=3, protocol=probing).items():
        assert_equal(sums, exact[site])


@pytest.mark.parametrize(
    ("name", "length"),
    [pytest.param(name, length, marks=[pytest.mark.long] * (length == LONG)) for name, length in TWIN_TABLE],
)
def test_projected_output_equals_its_twin(name: str, length: int) -> None:
    model, windows, protocol = tiny_model(name, torch.float64), random_windows(6, length), ProjectedOutput(seed=5)
    model.set_attn_implementation("eager")
    exact = exact_output(model, windows, protocol)
    # RMSNorm and some softmaxes compute in float32 even in a float64 model; forward and reverse mode round differently
    rtol = 1e-10 if name.startswith("gpt2") else 1e-4
    assert_equal(measured_sums(model, windows, batch=4, protocol=protocol)[OUTPUT], exact, rtol)


def test_projected_output_under_fused_attention_is_refused() -> None:
    model = tiny_model("llama")
    with pytest.raises(NotAuditableError, match="cannot be differentiated twice"):
        measured_sums(model, random_windows(1, SHORT), protocol=ProjectedOutput(), dtype=torch.float32)


@pytest.mark.parametrize("name", CASES)
def test_any_micro_batch_gives_the_same_sums(name: str) -> None:
    windows, model = random_windows(10, SHORT), tiny_model(name, torch.float64)
    one, seven = (measured_sums(model, windows, batch=batch) for batch in (1, 7))
    for site, sums in one.items():
        assert sums.rows().tokens == seven[site].rows().tokens == 10 * (SHORT - 1)
        torch.testing.assert_close(sums.agop_DD, seven[site].agop_DD, rtol=1e-10, atol=1e-14)
        for column, other in zip(sums.rows().tensors(), seven[site].rows().tensors(), strict=True):
            torch.testing.assert_close(column, other, rtol=1e-10, atol=1e-14)


def test_a_chosen_site_has_the_sums_it_has_among_all() -> None:
    windows = random_windows(6, SHORT)
    all_sums = measured_sums("gpt2", windows)
    for text in ("embedding", "block.0", "block.1", "block.0,block.1"):
        for site, sums in measured_sums("gpt2", windows, sites=text).items():
            torch.testing.assert_close(sums.agop_DD, all_sums[site].agop_DD, rtol=1e-10, atol=1e-14)
            torch.testing.assert_close(sums.rows().inner_K, all_sums[site].rows().inner_K, rtol=1e-9, atol=1e-14)


def test_windows_of_several_lengths_merge_to_what_one_run_gives() -> None:
    model, sites = tiny_model("llama", torch.float64), parse_sites("embedding", DEPTH)
    windows = [*random_windows(3, SHORT), *random_windows(2, LONG)]
    exact = exact_sites(model, find_blocks(model, DEPTH), windows, sites)[sites[0]]
    merged = measured_sums(model, windows[:3], sites="embedding")[sites[0]]
    later = SiteSums.zeros(WIDTH, dtype=torch.float64, device=torch.device("cpu"))
    gradients = measured_sums(model, windows[3:], sites="embedding")[sites[0]]
    for rows in gradients.kept:
        rows.index_K.add_(3)  # the numbers these windows have in the audit as a whole
    later.merge(gradients)
    merged.merge(later)
    unbiased = u_energies(merged)
    assert unbiased is not None
    assert [unbiased.total, unbiased.diagonal] == pytest.approx([exact.total_u, exact.diagonal_u], rel=1e-10)


def test_float32_agrees_with_float64() -> None:
    windows = random_windows(8, LONG)
    single_model = tiny_model("llama", torch.float64).float()
    single = measured_sums(single_model, windows, dtype=torch.float32)
    for site, double in measured_sums("llama", windows).items():
        assert single[site].dtype == torch.float32 and single[site].agop_DD.dtype == torch.float64
        u_single, u_double = u_energies(single[site]), u_energies(double)
        assert u_single is not None and u_double is not None
        # float32 gradients carry relative errors of some 1e-6, and the U-statistic is a small difference
        assert u_single.total == pytest.approx(u_double.total, rel=1e-3)
        assert u_single.trace2 == pytest.approx(u_double.trace2, rel=1e-4)
