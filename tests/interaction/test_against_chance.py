"""The AOFE-ratio beside that of a random basis: the closed form, and what a rotation of the model does to each."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

import shape_audit
from shape_audit.interaction.estimators.statistics import Energies, plugin_energies
from shape_audit.interaction.twins.rotation_twin import random_rotation, ratio_over_rotations
from tests.interaction.measured import LONG, WIDTH, extended, random_windows, tiny_pass
from tests.interaction.test_statistics import sums_of
from tests.tiny_models import tiny_model


def energies_of(agop_DD: Tensor) -> Energies:
    diagonal_D = agop_DD.diagonal()
    total, diagonal = float(agop_DD.square().sum()), float(diagonal_D.square().sum())
    return Energies(total, diagonal, float(diagonal_D.sum()) ** 2, len(agop_DD))


def spectrum(width: int, decay: float) -> Tensor:
    return torch.diag(torch.arange(1, width + 1, dtype=torch.float64) ** -decay)


@pytest.mark.parametrize(("width", "decay"), [(2, 1.0), (8, 0.3), (24, 1.0), (64, 2.0)])
def test_the_random_basis_is_the_average_over_rotations(width: int, decay: float) -> None:
    agop_DD = spectrum(width, decay)
    mean, error = ratio_over_rotations(agop_DD, 400, torch.Generator().manual_seed(1))
    expected = energies_of(agop_DD).quotient("aofe_ratio_random_basis")
    assert expected is not None and error < 0.03
    assert abs(mean - expected) < 3.5 * error
    assert energies_of(agop_DD).quotient("aofe_ratio") == 0, "a diagonal G itself has none"
    assert energies_of(agop_DD).quotient("channel_alignment") == pytest.approx(1, rel=1e-12)


def test_the_random_basis_is_exact_where_the_average_can_be_taken_exactly() -> None:
    """In the plane, five equal turns have the moments of all of them up to the fourth order, which is all there is."""
    agop_DD = torch.tensor([[3.0, 0.7], [0.7, 1.0]], dtype=torch.float64)
    ratios = []
    for turn in range(5):
        c, s = math.cos(2 * math.pi * turn / 5), math.sin(2 * math.pi * turn / 5)
        q_DD = torch.tensor([[c, -s], [s, c]], dtype=torch.float64)
        ratios.append(energies_of(q_DD @ agop_DD @ q_DD.T).quotient("aofe_ratio") or 0.0)
    assert sum(ratios) / 5 == pytest.approx(energies_of(agop_DD).quotient("aofe_ratio_random_basis"), rel=1e-12)


@pytest.mark.parametrize("width", [1, 2, 9])
def test_equal_directions_have_nothing_to_couple(width: int) -> None:
    energies = energies_of(torch.eye(width, dtype=torch.float64))
    assert energies.quotient("aofe_ratio_random_basis") == pytest.approx(0, abs=1e-15)
    assert energies.quotient("aofe_ratio_excess") == pytest.approx(0, abs=1e-15)
    assert energies.quotient("channel_alignment") is None, "of no interaction, no share"


def test_one_direction_across_all_channels_mixes_more_than_chance() -> None:
    width = 10
    gradients = torch.ones(1, 1, width, dtype=torch.float64).expand(4, 3, -1)
    energies = plugin_energies(sums_of(gradients))
    assert energies.quotient("aofe_ratio") == pytest.approx(1 - 1 / width)
    assert energies.quotient("aofe_ratio_random_basis") == pytest.approx(1 - 3 / (width + 2))
    assert (energies.quotient("channel_alignment") or 0) < 0


def fold_norms(model: Any) -> None:
    """Move the weights of every RMSNorm into the matrices that read it; the function is the same."""
    for norm, readers in readers_of_norms(model):
        for reader in readers:
            reader.weight.data *= norm.weight.data
        norm.weight.data.fill_(1)


def readers_of_norms(model: Any) -> list[tuple[Any, list[Any]]]:
    found = [(model.model.norm, [model.lm_head])]
    for layer in model.model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        found.append((layer.input_layernorm, [attention.q_proj, attention.k_proj, attention.v_proj]))
        found.append((layer.post_attention_layernorm, [mlp.gate_proj, mlp.up_proj]))
    return found


def rotate(model: Any, q_DD: Tensor) -> None:
    """Turn the residual stream of a model with folded norms: RMSNorm without weights turns along."""
    model.model.embed_tokens.weight.data @= q_DD.T
    for _, readers in readers_of_norms(model):
        for reader in readers:
            reader.weight.data @= q_DD.T
    for layer in model.model.layers:
        for writer in (layer.self_attn.o_proj, layer.mlp.down_proj):
            writer.weight.data = q_DD @ writer.weight.data


def test_a_rotated_model_is_the_same_function_with_another_ratio() -> None:
    """So the ratio alone is no property of the function, while effective rank and R0 are."""
    model, windows = tiny_model("llama", torch.float64), random_windows(8, LONG)
    generator = torch.Generator().manual_seed(3)
    for norm, _ in readers_of_norms(model):  # channels of unequal weight: a basis that is not like any other
        norm.weight.data = torch.randn(WIDTH, generator=generator, dtype=torch.float64).exp()
    plain = extended(tiny_pass(model), windows).profile()
    fold_norms(model)
    rotate(model, random_rotation(WIDTH, generator))
    turned = extended(tiny_pass(model), windows).profile()
    tolerance = 1e-5  # RMSNorm computes in float32
    assert turned.loss.nats_per_token == pytest.approx(plain.loss.nats_per_token, rel=tolerance)
    for before, after in zip(plain.sites, turned.sites, strict=True):
        for name in ("effective_rank", "aofe_ratio_random_basis", "trace", "aofe_ratio_random_basis_ci"):
            assert getattr(after, name) == pytest.approx(getattr(before, name), rel=10 * tolerance), name
        assert after.aofe_ratio is not None and before.aofe_ratio is not None
        assert after.aofe_ratio - before.aofe_ratio > 0.02
        assert after.channel_alignment is not None and before.channel_alignment is not None
        assert abs(after.channel_alignment) < 0.5 * before.channel_alignment


def test_what_the_demo_reads_beside_what_a_random_basis_would() -> None:
    profile = shape_audit.audit("builtin:bytes-1m", sites="embedding,block.2").interaction
    assert profile is not None
    found = [(site.aofe_ratio, site.aofe_ratio_random_basis) for site in profile.sites]
    expected = [(0.856, 0.929), (0.398, 0.408)]
    assert [tuple(round(value, 3) for value in pair if value is not None) for pair in found] == expected
    assert [round(site.aofe_ratio_excess or 0, 2) for site in profile.sites] == [-0.07, -0.01]
