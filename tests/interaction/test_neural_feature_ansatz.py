"""NFA correlations against the slow twin in float64, and what they say of a trained model."""

import copy
from typing import Any

import numpy as np
import pytest
import torch

from shape_audit.calibration import Window
from shape_audit.errors import NonFiniteError, NotAuditableError
from shape_audit.hub import read_checkpoint
from shape_audit.interaction import nfa_correlations, random_correlations, weight_interactions
from shape_audit.interaction.ansatz.neural_feature_ansatz import SEEDS, correlation, reinitialised
from shape_audit.interaction.ansatz.reading_matrices import find_matrices
from shape_audit.interaction.ansatz.weight_gram import rows_of
from shape_audit.interaction.ansatz.weight_inputs import WeightInputs
from shape_audit.interaction.estimators.statistics import u_energies
from shape_audit.interaction.twins.ansatz_twin import exact_inputs, exact_nfa
from shape_audit.models import LoadOptions, load_model
from tests.tiny_models import CASES, tiny_model

SHORT, LONG = 9, 40
"""Window lengths on either side of the width."""


def windows_of(count: int, length: int) -> list[Window]:
    ids = torch.randint(0, 256, (count, length), generator=torch.Generator().manual_seed(1)).tolist()
    return [Window(index=i, byte_offsets=None, input_ids=tuple(row)) for i, row in enumerate(ids)]


def with_some_structure(model: Any) -> Any:
    """Weights whose columns interact, so that no correlation is near zero or lost in noise."""
    generator = torch.Generator().manual_seed(2)
    for parameter in model.parameters():
        if parameter.ndim == 2:
            left, right = (torch.randn(size, 1, generator=generator).double() for size in parameter.shape)
            parameter += 0.1 * left @ right.T
    return model


def parts_of(model: Any) -> tuple[dict[str, tuple[torch.nn.Module, torch.Tensor]], torch.nn.Module]:
    """Name -> module and W, and the embedding."""
    matrices = find_matrices(model.config, dict(model.named_modules()))
    modules = {matrix.name: model.get_submodule(matrix.module) for matrix in matrices}
    weights = {m.name: (modules[m.name], rows_of(m, modules[m.name].weight)) for m in matrices}
    return weights, modules["embedding"]


@pytest.mark.parametrize(
    ("name", "length"), [*((name, SHORT) for name in CASES), *((name, LONG) for name in ("llama", "gpt2", "opt"))]
)
def test_correlations_equal_the_slow_twin(name: str, length: int) -> None:
    model = with_some_structure(tiny_model(name, torch.float64))
    windows = windows_of(5, length)
    fast = nfa_correlations(model, windows, micro_batch=2)
    weights, embedding = parts_of(model)
    inputs = exact_inputs(
        model, {n: m for n, (m, _) in weights.items()}, [w.input_ids for w in windows], embedding=embedding
    )
    clear = {n for n, site in inputs.items() if site.total_u > site.diagonal_u}
    assert {n for n, value in fast.items() if value is not None} == clear and len(clear) >= len(fast) / 2
    slow = exact_nfa(
        model,
        {n: part for n, part in weights.items() if n in clear},
        [w.input_ids for w in windows],
        embedding=embedding,
    )
    for n in clear:
        assert fast[n] == pytest.approx(slow[n], rel=1e-8, abs=1e-12), n


@pytest.mark.parametrize("name", CASES)
def test_gradients_equal_plain_autograd(name: str) -> None:
    model, windows = tiny_model(name, torch.float64), windows_of(3, SHORT)
    matrices = find_matrices(model.config, dict(model.named_modules()))
    inputs = WeightInputs(model, matrices)
    inputs.add(windows, micro_batch=2)
    weights, embedding = parts_of(model)
    exact = exact_inputs(
        model, {n: m for n, (m, _) in weights.items()}, [w.input_ids for w in windows], embedding=embedding
    )
    for matrix in matrices:
        sums, truth = inputs.sums[inputs.source[matrix.module]], exact[matrix.name]
        torch.testing.assert_close(sums.agop_DD / sums.rows().tokens, truth.agop_DD, rtol=1e-10, atol=1e-14)
        unbiased = u_energies(sums)
        assert unbiased is not None
        assert [unbiased.total, unbiased.diagonal] == pytest.approx([truth.total_u, truth.diagonal_u], rel=1e-10)


def test_the_cosine_is_the_one_of_the_docstring() -> None:
    generator = np.random.default_rng(0)
    gram, agop = (x.T @ x for x in generator.normal(size=(2, 7, 5)))
    off = ~np.eye(5, dtype=bool)
    expected = (gram[off] @ agop[off]) / (np.linalg.norm(gram[off]) * np.linalg.norm(agop[off]))
    norm = float(np.linalg.norm(agop[off]))
    assert correlation(torch.tensor(gram), torch.tensor(agop), norm) == pytest.approx(expected)
    assert correlation(torch.eye(5).double(), torch.tensor(agop), norm) is None
    assert correlation(torch.tensor(gram), torch.tensor(agop), None) is None


def test_any_micro_batch_gives_the_same() -> None:
    model, windows = with_some_structure(tiny_model("opt", torch.float64)), windows_of(7, SHORT)
    one, three = (nfa_correlations(model, windows, micro_batch=size) for size in (1, 3))
    assert one == pytest.approx(three, rel=1e-9)


def test_copies_of_a_window_count_as_one() -> None:
    model, windows = with_some_structure(tiny_model("llama", torch.float64)), windows_of(5, SHORT)
    once, twice = (nfa_correlations(model, some, micro_batch=3) for some in (windows, windows * 2))
    assert twice == pytest.approx(once, rel=1e-9)


def test_one_window_has_no_correlation() -> None:
    assert set(nfa_correlations(tiny_model("llama"), windows_of(1, SHORT), micro_batch=1).values()) == {None}


def test_the_model_is_left_as_it_was() -> None:
    model = tiny_model("gpt_neox")
    nfa_correlations(model, windows_of(2, SHORT), micro_batch=2)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in model.parameters())


def test_a_module_that_is_not_called_once_on_the_stream_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model("llama")
    matrices = find_matrices(model.config, dict(model.named_modules()))
    mlp = type(model.model.layers[0].mlp)
    plain = mlp.forward
    monkeypatch.setattr(mlp, "forward", lambda self, x: plain(self, x) + plain(self, x))
    with pytest.raises(NotAuditableError, match="is not called once on the stream"):
        WeightInputs(model, matrices).add(windows_of(2, SHORT), micro_batch=2)
    monkeypatch.setattr(mlp, "forward", lambda self, x: x)
    with pytest.raises(NotAuditableError, match=r"no gradient is found at model\.layers\.0\.mlp\.gate_proj"):
        WeightInputs(model, matrices).add(windows_of(2, SHORT), micro_batch=2)


def test_gradients_that_are_not_finite_are_an_error() -> None:
    model = tiny_model("llama")
    model.lm_head.weight[3] = float("nan")
    with pytest.raises(NonFiniteError):
        nfa_correlations(model, windows_of(2, SHORT), micro_batch=2)


def test_a_model_is_reinitialised_from_its_seed_alone() -> None:
    loaded = load_model(read_checkpoint("builtin:bytes-1m"), LoadOptions(attn_implementation="eager"))
    before, state = copy.deepcopy(loaded.model.state_dict()), torch.get_rng_state()
    first, again, other = (reinitialised(loaded, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[key]) for key, value in loaded.model.state_dict().items())
    name = "model.layers.0.self_attn.v_proj.weight"
    values = [model.state_dict()[name] for model in (first, again, other, loaded.model)]
    assert torch.equal(values[0], values[1])
    assert not torch.equal(values[0], values[2]) and not torch.equal(values[0], values[3])
    assert first.config._attn_implementation == "eager" and not first.training  # type: ignore[union-attr]
    assert not any(parameter.requires_grad for parameter in first.parameters())


def test_training_has_made_weights_and_gradients_alike() -> None:
    """The ansatz itself, on a model that was trained: v, up and gate correlate more than at initialisation."""
    from shape_audit.auditing import AuditOptions, Silent
    from shape_audit.auditing.subject import Subject
    from shape_audit.auditing.window_source import WindowSource
    from shape_audit.interaction import weight_energies
    from shape_audit.shape import describe

    checkpoint = read_checkpoint("builtin:bytes-1m")
    options = AuditOptions.of(windows=8, seq_len=64)
    subject = Subject("bytes-1m", describe(checkpoint).shape, (), checkpoint)
    windows = WindowSource(subject, options, Silent()).first(8).windows
    loaded = load_model(checkpoint)
    found = weight_interactions(
        weight_energies(checkpoint),
        nfa_correlations(loaded.model, windows, micro_batch=8),
        random_correlations(loaded, windows, micro_batch=8),
    )
    assert len(found) == 2 + 5 * 5
    for role in ("v", "up", "gate"):
        of_role = [weight for weight in found if weight.role == role]
        trained = sum(weight.nfa_correlation or 0.0 for weight in of_role) / len(of_role)
        highest = max((weight.nfa_correlation_random_range or (0, 1))[1] for weight in of_role)
        assert trained > highest, role


def test_a_missing_seed_leaves_no_mean() -> None:
    checkpoint = read_checkpoint("builtin:bytes-1m")
    from shape_audit.interaction import weight_energies

    energies = [weight for weight in weight_energies(checkpoint) if weight.name == "block.0.v"]
    (complete,) = weight_interactions(energies, {"block.0.v": 0.5}, [{"block.0.v": x} for x in (0.1, 0.2, 0.3)])
    assert complete.nfa_correlation_random == pytest.approx(0.2) and complete.nfa_correlation_random_range == (0.1, 0.3)
    (partial,) = weight_interactions(energies, {}, [{"block.0.v": x} for x in (0.1, None, 0.3)])
    assert partial.nfa_correlation is None and partial.nfa_correlation_random is None
    assert len(SEEDS) == 3
