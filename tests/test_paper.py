"""The experiments on the paper's claims: every one runs, and says what it should where the answer is known."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from benchmarks.paper import cnn_scan, double_descent, mlp_scan, teacher_student
from benchmarks.paper.__main__ import EXPERIMENTS, page
from benchmarks.paper.claim import Claim, Outcome, section
from benchmarks.paper.correlation import spearman
from benchmarks.paper.measuring import interaction_of
from benchmarks.paper.run import OutOfTime, Run
from benchmarks.paper.scan import Scan, scan_outcome, verdict_on
from benchmarks.paper.training import NetworkShape, shapes_of
from shape_audit.interaction.twins.profile_twin import exact_site

LOSSES = [0.1 * i for i in range(12)]
UP, DOWN = [float(i) for i in range(12)], [float(-i) for i in range(12)]
MIXED = [3.0, 0.0, 4.0, 1.0, 5.0, 2.0, 1.5, 4.5, 0.5, 3.5, 2.5, 1.0]


def test_every_claim_runs_at_toy_size() -> None:
    """`scripts/paper --quick`."""
    text = page(list(EXPERIMENTS), is_quick=True)
    for name in EXPERIMENTS:
        part = text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert all(f"**{what}.**" in part for what in ("Claim", "Published", "Here")), name
        assert part.count("**Verdict: ") == 1 and ("github.com/" in part or name == "open_models"), name
    assert "| gaussian_min_norm | holds |" in text and "| tiny_gpts | does not hold |" in text
    assert " nan" not in text


@pytest.mark.parametrize(
    ("energy", "ratio", "verdict"),
    [
        (UP, DOWN, "holds"),
        (DOWN, DOWN, "does not hold"),
        (UP, UP, "does not hold"),
        (UP, MIXED, "cannot be told"),
        (MIXED, DOWN, "cannot be told"),
    ],
)
def test_the_verdict_on_planted_scans(energy: list[float], ratio: list[float], verdict: str) -> None:
    for suffix in ("", "_plugin"):
        assert verdict_on(LOSSES, {f"aofe{suffix}": energy, f"aofe_ratio{suffix}": ratio})[0] == verdict
    assert verdict_on(LOSSES[:5], {"aofe": energy[:5], "aofe_ratio": ratio[:5]})[0] == "cannot be told", "too few"


def test_intervals_of_correlations_cover_zero_as_often_as_they_should() -> None:
    generator = torch.Generator().manual_seed(0)
    for shapes in (7, 15):
        drawn = torch.randn(400, 2, shapes, generator=generator).tolist()
        missed = sum(spearman(x, y).sign != 0 for x, y in drawn)
        assert 3 <= missed <= 37, "one in twenty, but for four standard deviations"


def test_interaction_of_examples_is_that_of_explicit_matrices() -> None:
    gradients = torch.randn(11, 3, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    exact = exact_site([grad.T @ grad for grad in gradients], [3] * 11)
    found = interaction_of(gradients)
    assert found["aofe"] == pytest.approx(exact.total_u - exact.diagonal_u, rel=1e-10)
    assert found["aofe_plugin"] == pytest.approx(exact.total_plugin - exact.diagonal_plugin, rel=1e-10)
    assert found["aofe_ratio_ci"] is not None


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize(
    ("made", "counted"),
    [
        (mlp_scan.network, mlp_scan.parameters),
        (cnn_scan.network, cnn_scan.parameters),
        (lambda depth, width: teacher_student.Recurrent(32, width, depth, 8), teacher_student.parameters),
    ],
)
def test_parameters_are_as_many_as_they_are(
    made: Callable[[int, int], torch.nn.Module], counted: Callable[[int, int], int], depth: int
) -> None:
    assert counted(depth, 16) == sum(parameter.numel() for parameter in made(depth, 16).parameters())
    (shape,) = shapes_of((depth,), counted(depth, 24), counted)
    assert shape.width == 24


def test_the_autoencoders_agop_is_that_of_its_jacobians() -> None:
    settings = double_descent.Settings(width=9, bottleneck=2)
    torch.manual_seed(0)
    model = double_descent.Autoencoder(settings)
    x_ND = double_descent.sparse_examples(5, double_descent.Settings(width=9), seed=3) + 0.1
    for x_D, factor_MD in zip(x_ND, model.jacobian_factors(x_ND), strict=True):
        jacobian_DD = torch.autograd.functional.jacobian(model, x_D.unsqueeze(0)).reshape(9, 9).double()
        torch.testing.assert_close(factor_MD.T @ factor_MD, jacobian_DD @ jacobian_DD.T, rtol=1e-5, atol=1e-7)


def test_patches_of_gradients_are_those_of_masked_outputs() -> None:
    torch.manual_seed(0)
    model, images = cnn_scan.network(1, 8), cnn_scan.Images(8, seed=1)
    inputs, _, mask = images.sample(2)
    assert mask.unique().tolist() == [0, 1] and bool((inputs[:, :3] * mask == 0.5 * mask).all())
    patches = cnn_scan.patch_gradients(model, inputs, mask, torch.Generator().manual_seed(4))
    assert patches.shape == (2, 64, 27)
    generator = torch.Generator().manual_seed(4)
    cotangent = (torch.randint(0, 2, (2, 3, 8, 8), generator=generator) * 2 - 1) * mask
    jacobian = torch.autograd.functional.jacobian(
        lambda image: model(torch.cat([image, inputs[:1, 3:]], dim=1)), inputs[:1, :3]
    )
    gradient = torch.einsum("nchw,nchwmdij->mdij", cotangent[:1].float(), jacobian)
    middle = F.pad(gradient, (1, 1, 1, 1))[0, :, 4:7, 2:5]  # around row 4, column 2
    torch.testing.assert_close(patches[0, 4 * 8 + 2].view(3, 3, 3), middle, rtol=1e-4, atol=1e-6)


def test_students_see_more_than_their_teacher() -> None:
    settings = teacher_student.Settings(1000, 1, length=5, batch=4)
    sequences = teacher_student.Sequences(settings, seed=1)
    x, _ = sequences.sample(3)
    changed = x.clone()
    changed[:, :, settings.useful :] += 1
    assert torch.equal(sequences.teacher(x), sequences.teacher(changed))
    assert median((x[:, 1:, 0] * x[:, :-1, 0]).flatten().tolist()) > 0, "useful channels drift"


@pytest.mark.parametrize(
    ("losses", "energies", "verdict"),
    [
        ([1.0, 1.5, 1.0], [1.0, 9.0, 2.0], "holds"),
        ([1.0, 1.001, 1.0], [1.0, 9.0, 2.0], "cannot be told"),
        ([1.5, 1.2, 1.0], [9.0, 3.0, 1.0], "does not hold"),
    ],
)
def test_a_double_descent_is_told_from_none(losses: list[float], energies: list[float], verdict: str) -> None:
    done = {
        10**i: [{"loss": loss + spread, "aofe": energy} for spread in (-0.004, 0.0, 0.004)]
        for i, (loss, energy) in enumerate(zip(losses, energies, strict=True))
    }
    assert double_descent.judged(done, whole_up_to=100)[0] == verdict
    rising = {size: done[size] for size in list(done)[:2]}
    if losses[1] > losses[0]:
        assert double_descent.judged(rising, whole_up_to=100)[0] == "cannot be told", "the end is not there yet"


def test_finished_pieces_are_kept_for_the_same_settings_only(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> dict[str, Any]:
        made.append(len(made))
        return {"loss": float(len(made))}

    for settings in ({"steps": 1}, {"steps": 1}, {"steps": 2}):
        Run(False, tmp_path).piece("a", settings, make)
    assert made == [0, 1]
    late = Run(False, tmp_path, deadline=time.monotonic() - 1)
    assert late.piece("a", {"steps": 2}, make) == {"loss": 2.0} and len(late.commits) == 1
    with pytest.raises(OutOfTime):
        late.piece("b", {}, make)
    (tmp_path / "half.new").write_text("{")
    assert json.loads((tmp_path / "a.json").read_text())["settings"] == {"steps": 2}


def test_a_scan_that_runs_out_of_time_says_what_it_has(tmp_path: Path) -> None:
    shapes = [NetworkShape(depth, 8, 100) for depth in range(1, 9)]

    def trained(shape: NetworkShape, seed: int) -> dict[str, Any]:
        numbers = interaction_of(torch.randn(8, 2, 4, generator=torch.Generator().manual_seed(shape.depth)))
        return {**numbers, "loss": float(shape.depth), "aofe": float(shape.depth), "aofe_ratio": -float(shape.depth)}

    scan = Scan(shapes, 2, {}, trained)
    whole = scan_outcome(Run(False, tmp_path), scan, [])
    assert whole.verdict == "holds" and whole.notes[0].startswith("8 of 8 shapes, 2 to 2 of 2 seeds")
    for path in list(tmp_path.glob("*-s1.json"))[:3]:
        path.unlink()
    part = scan_outcome(Run(False, tmp_path, deadline=time.monotonic() - 1), scan, [])
    assert part.verdict == "holds" and "8 of 8 shapes, 1 to 2 of 2 seeds" in part.notes[0]
    none = scan_outcome(Run(False, tmp_path / "other", deadline=time.monotonic() - 1), scan, [])
    assert none.verdict == "cannot be told"


def test_a_section_has_claim_table_and_verdict() -> None:
    claim = Claim("name", "It is so.", "Yes.", "somewhere")
    text = section(claim, Outcome("It is.", "holds", [["a", "b"], ["1", "2"]], ["note"]), 1.26)
    assert "| a | b |\n| --- | ---: |\n| 1 | 2 |" in text and text.endswith("**Verdict: holds.** 1.3 minutes.")
