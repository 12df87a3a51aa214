"""How crowded token vectors are: against every pair of rows, one by one."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from shape_audit.embeddings import ArrayMatrix, StoredMatrix, capacity, crowding, superposition
from shape_audit.errors import CorruptFileError
from shape_audit.hub import TensorHeader, read_checkpoint
from tests.tiny_models import tiny_model


def all_cosines(rows: np.ndarray) -> list[float]:
    """Of every pair of different rows that are not zero, one way."""
    kept = [row for row in rows.tolist() if any(row)]
    return [
        math.fsum(a * b for a, b in zip(kept[i], kept[k], strict=True)) / (math.hypot(*kept[i]) * math.hypot(*kept[k]))
        for i in range(len(kept))
        for k in range(i)
    ]


@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_it_is_what_all_pairs_give(offset: float) -> None:
    rows = np.random.default_rng(3).normal(offset, 1.0, (70, 12)) * np.linspace(0.1, 5, 70)[:, None]
    rows[[4, 40]] = 0
    found, cosines = crowding(ArrayMatrix(rows), "embedding"), all_cosines(rows)
    assert found is not None and (found.rows, found.zero_rows, found.width) == (68, 2, 12)
    assert found.mean_cosine == pytest.approx(np.mean(cosines), abs=1e-14)
    assert found.cosine_sd == pytest.approx(np.std(cosines), rel=1e-12)
    assert found.epsilon == pytest.approx(np.mean(cosines) + 2 * np.std(cosines), rel=1e-12)
    assert found.mean_cosine2_times_width == pytest.approx(12 * np.mean(np.square(cosines)), rel=1e-12)
    gram = rows.T @ rows
    assert found.wtw_aofe_ratio == pytest.approx(1 - np.square(gram.diagonal()).sum() / np.square(gram).sum())


def test_random_directions_have_mean_squared_cosines_of_one_over_the_width() -> None:
    rows = np.random.default_rng(0).normal(size=(4000, 64))
    found = crowding(ArrayMatrix(rows), "embedding")
    assert found is not None
    assert found.mean_cosine2_times_width == pytest.approx(1, rel=0.02)  # sd of the mean over 8 million pairs: .0005
    assert found.wtw_aofe_ratio == pytest.approx(found.wtw_aofe_ratio_random_basis, rel=0.1)


def test_the_random_basis_value_is_the_mean_over_rotations() -> None:
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(50, 8)) * np.linspace(0.2, 3, 8)
    found = crowding(ArrayMatrix(rows), "embedding")
    ratios = []
    for _ in range(4000):
        rotation = np.linalg.qr(generator.normal(size=(8, 8)))[0]  # Haar but for signs, which change no square
        gram = rotation.T @ rows.T @ rows @ rotation
        ratios.append(1 - np.square(gram.diagonal()).sum() / np.square(gram).sum())
    assert found is not None
    assert found.wtw_aofe_ratio_random_basis == pytest.approx(np.mean(ratios), abs=4 * np.std(ratios) / 4000**0.5)


def test_capacity_is_the_inverse_of_the_fit_it_comes_from() -> None:
    """epsilon^2 = C ln(k^a / d)^b / d^c, as the paper's repository writes it."""
    for width, epsilon in ((2048, 0.06329), (4096, 0.05945)):
        k = capacity(width, epsilon)
        assert k is not None
        again = math.sqrt(0.45809143 * math.log(k**1.0668005 / width) ** 1.44738666 / width**0.97197234)
        assert again == pytest.approx(epsilon, rel=1e-12)
    assert capacity(896, 0.36035) is None and capacity(64, -0.01) is None


NAMES = {torch.bfloat16: "BF16", torch.float16: "F16", torch.float32: "F32", torch.float64: "F64"}


@pytest.mark.parametrize("dtype", NAMES)
def test_a_file_gives_the_numbers_that_torch_reads_from_it(dtype: torch.dtype, tmp_path: Path) -> None:
    rows = torch.randn(5000, 6).to(dtype)  # more than one block of rows
    save_file({"a": torch.ones(3), "embed_tokens.weight": rows, "z": torch.ones(2)}, tmp_path / "m.safetensors")
    header = TensorHeader(NAMES[dtype], (5000, 6))
    blocks = list(StoredMatrix(tmp_path / "m.safetensors", "embed_tokens.weight", header).blocks())
    assert len(blocks) == 2
    assert np.array_equal(np.concatenate(blocks), rows.double().numpy())


def saved(folder: Path, *, tied: bool) -> Path:
    model = tiny_model("llama")
    model.config.tie_word_embeddings = tied
    if tied:
        model.tie_weights()
    model.save_pretrained(folder)
    return folder


def test_the_unembedding_is_apart_where_it_is_another_matrix(tmp_path: Path) -> None:
    tied = superposition(read_checkpoint(saved(tmp_path / "tied", tied=True)))
    assert tied.embedding is not None and tied.unembedding is None
    untied = superposition(read_checkpoint(saved(tmp_path / "untied", tied=False)))
    assert untied.embedding is not None and untied.unembedding is not None
    weights = load_file(tmp_path / "untied" / "model.safetensors")
    cosines = all_cosines(weights["lm_head.weight"].double().numpy())
    assert untied.unembedding.tensor == "lm_head.weight"
    assert untied.unembedding.mean_cosine == pytest.approx(np.mean(cosines), abs=1e-12)


def test_what_cannot_be_said_is_null_and_damage_is_one_line(tmp_path: Path) -> None:
    folder = saved(tmp_path / "m", tied=True)
    weights = {name: tensor.clone() for name, tensor in load_file(folder / "model.safetensors").items()}
    name = "model.embed_tokens.weight"
    checkpoint, content = read_checkpoint(folder), (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 9])  # the embedding comes first
    with pytest.raises(CorruptFileError, match="damaged weights"):
        superposition(checkpoint)
    save_file(weights | {name: torch.full_like(weights[name], math.nan)}, folder / "model.safetensors")
    assert superposition(read_checkpoint(folder)).embedding is None
    save_file(weights | {name: weights[name].to(torch.float8_e4m3fn)}, folder / "model.safetensors")
    assert superposition(read_checkpoint(folder)).embedding is None
