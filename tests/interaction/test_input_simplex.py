"""One-hot inputs: against the dense Jacobian, without bias, and the same however windows are shared out."""

from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
import transformers

from shape_audit.errors import NotAuditableError
from shape_audit.interaction import Profile, ProfilePass
from shape_audit.interaction.estimators.input_gradients import InputGradients
from shape_audit.interaction.estimators.input_grams import InputGrams
from shape_audit.interaction.estimators.window_rows import RepeatedWindows
from shape_audit.interaction.pass_state import PassState
from shape_audit.interaction.protocols.input_simplex import InputSimplex
from shape_audit.interaction.protocols.output_gradient import OutputGradient
from shape_audit.interaction.protocols.projected_output import ProjectedOutput
from shape_audit.interaction.site_report import site_interaction
from shape_audit.interaction.stream.sites import INPUT
from shape_audit.interaction.twins.input_simplex_twin import exact_input, input_jacobian
from shape_audit.interaction.twins.profile_twin import exact_site
from shape_audit.models import PassSize
from shape_audit.models.memory_plan import input_memory
from shape_audit.parallel import SingleProcess
from tests.interaction.measured import SHORT, extended, random_windows, tiny_pass
from tests.interaction.test_exactness import assert_equal_energies
from tests.tiny_models import GPT2_LIKE, LLAMA_LIKE, tiny_model

OUTPUTS = 16
CONFIGS = {"gpt2": transformers.GPT2Config, "llama": transformers.LlamaConfig}


def of_16_tokens(name: str) -> Any:
    settings: dict[str, Any] = (GPT2_LIKE if name == "gpt2" else LLAMA_LIKE) | {
        "vocab_size": OUTPUTS,
        "bos_token_id": None,
        "eos_token_id": None,
    }
    torch.manual_seed(0)
    config = CONFIGS[name](**settings)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float64, attn_implementation="eager")
    return model.eval().requires_grad_(False)


def few_tokens(count: int, length: int = SHORT, seed: int = 1) -> list[list[int]]:
    return [[token % OUTPUTS for token in window] for window in random_windows(count, length, seed)]


def grams_of(a_pass: ProfilePass) -> InputGrams:
    return cast(InputGradients, a_pass.sums[INPUT]).over(SingleProcess())


def profile_of(a_pass: ProfilePass) -> dict[str, Any]:
    return a_pass.profile(spectrum=3).sites[0].model_dump()


@pytest.mark.parametrize("name", CONFIGS)
def test_it_equals_the_dense_jacobian(name: str) -> None:
    model, windows, protocol = of_16_tokens(name), few_tokens(11), InputSimplex(seed=3)
    exact = exact_input(model, windows, protocol)
    grams = grams_of(extended(tiny_pass(model, protocol=protocol, batch=4), windows))
    assert grams.width == (SHORT - 1) * OUTPUTS == len(exact.agop_DD)
    # RMSNorm computes in float32 even in a float64 model; its two ways of differentiating round differently
    assert_equal_energies(grams, exact, 1e-10 if name == "gpt2" else 1e-5)
    expected = torch.linalg.eigvalsh(exact.agop_DD).flip(0)[:3].tolist()
    assert grams.eigenvalues(3) == pytest.approx(expected, rel=1e-5)
    assert grams.eigenvalues(14)[11:] == [0, 0, 0], "eleven windows have no more"


def test_cotangents_make_unbiased_estimates_of_the_jacobians_own_energies() -> None:
    """Over 4,000 draws, for two windows: <A_s, A_r> and its diagonal of J^T J itself."""
    model, windows = of_16_tokens("gpt2"), few_tokens(2)
    jacobians = [input_jacobian(model, window) for window in windows]
    truth = exact_site([jacobian.T @ jacobian for jacobian in jacobians], [1, 1])
    totals, diagonals = [], []
    for seed in range(4000):
        draws = InputSimplex(seed=seed)
        y, x = (draws.cotangent(number, OUTPUTS) @ jacobian for number, jacobian in enumerate(jacobians))
        totals.append((y @ x) ** 2)
        diagonals.append(y.square() @ x.square())
    for found, expected in ((totals, truth.total_u), (diagonals, truth.diagonal_u)):
        values = torch.stack(found)
        assert abs(float(values.mean()) - expected) < 4 * float(values.std()) / 4000**0.5


def test_cotangents_sum_to_zero() -> None:
    assert float(InputSimplex().cotangent(5, 40).sum()) == pytest.approx(0, abs=1e-12)
    assert torch.equal(InputSimplex().cotangent(5, 40), InputSimplex().cotangent(5, 40))


@pytest.mark.parametrize(
    "draw",
    [
        lambda seed, window: InputSimplex(seed).cotangent(window, 40),
        lambda seed, window: OutputGradient(seed).cotangent(window, 5, 8),
        lambda seed, window: torch.cat([u.flatten() for u in ProjectedOutput(seed).draws(window, 5, 8)]),
    ],
)
def test_every_window_and_every_seed_has_draws_of_its_own(draw: Callable[[int, int], torch.Tensor]) -> None:
    drawn = [draw(seed, window) for seed in (0, 1, 2) for window in (0, 1, 2, 255)]
    assert not any(torch.equal(drawn[i], drawn[j]) for i in range(12) for j in range(i))


def test_copies_of_a_window_count_once() -> None:
    model, windows = tiny_model("gpt2", torch.float64), random_windows(7, SHORT)
    windows = [*windows, windows[2], windows[5], windows[2]]
    a_pass = extended(tiny_pass(model, protocol=InputSimplex()), windows)
    grams, total = grams_of(a_pass), 0.0
    rows, products = grams.distinct(RepeatedWindows.of([tuple(window) for window in windows]))
    matrix = grams.gram_KK.square()
    for s in range(10):
        total += sum(float(matrix[s, r]) for r in range(s) if windows[s] != windows[r])
    assert products == pytest.approx(total, rel=1e-12)
    assert rows.tokens_K.tolist() == [1, 1, 3, 1, 1, 2, 1] and rows.reference_tokens_K.tolist() == [0, 0, 0, 0, 4, 4, 4]
    assert float(rows.inner_K[5]) == pytest.approx(float(matrix[[5, 8], :4].sum()), rel=1e-12)
    assert float(rows.trace_K[2]) == pytest.approx(float(grams.gram_KK.diagonal()[[2, 7, 9]].sum()), rel=1e-12)


@pytest.mark.parametrize("batch", [1, 7])
def test_any_micro_batch_and_any_break_give_the_same_numbers(batch: int) -> None:
    model, windows = tiny_model("llama", torch.float64), random_windows(10, SHORT)
    straight = extended(tiny_pass(model, protocol=InputSimplex(), batch=10), windows)
    begun = extended(tiny_pass(model, protocol=InputSimplex(), batch=batch), windows[:5])
    state = begun.state()
    resumed = tiny_pass(model, protocol=InputSimplex(), batch=batch)
    saved = PassState.restored(state.tensors(), state.numbers(), {INPUT: 256})
    resumed.restore(saved, begun.windows)
    expected = profile_of(straight)
    for a_pass in (begun, resumed):
        found = profile_of(extended(a_pass, windows[5:]))
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            if isinstance(value, float):
                assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-14), name


def test_a_scale_inside_the_embedding_belongs_to_it() -> None:
    """Gemma's embedding multiplies by the root of the width: y is of what the module gives, not of its weight."""
    model = tiny_model("gemma3", torch.float64)
    sums = InputGradients(embedding=model.get_input_embeddings(), device=torch.device("cpu"))
    grad_TD = torch.randn(3, 24, dtype=torch.float64)
    scaled_VD = model.get_input_embeddings()(torch.arange(256))
    assert not torch.allclose(scaled_VD, model.get_input_embeddings().weight)
    torch.testing.assert_close(sums.factor(grad_TD)[0], (grad_TD @ scaled_VD.T).flatten())


class Deaf(torch.nn.Module):
    """A model whose logits do not come from its embedding."""

    def __init__(self, whole: Any) -> None:
        super().__init__()
        self.whole, self.other = whole, torch.nn.Embedding(256, 4)

    def get_input_embeddings(self) -> torch.nn.Module:
        return self.other

    def forward(self, **inputs: Any) -> Any:
        return self.whole(**inputs)


def test_a_model_that_does_not_use_its_embedding_is_refused() -> None:
    from shape_audit.interaction.stream.micro_batch import MicroBatch

    deaf, batch = Deaf(tiny_model("gpt2")), MicroBatch(torch.tensor(random_windows(1, SHORT)))
    with pytest.raises(NotAuditableError, match="does not feed its logits"):
        InputSimplex().add_micro_batch(deaf, [], batch, {})


def test_rounding_is_measured_and_small_in_float32() -> None:
    windows = random_windows(8, SHORT)
    exact: Profile = extended(tiny_pass("llama", protocol=InputSimplex()), windows).profile()
    single = tiny_pass(tiny_model("llama", torch.float64).float(), protocol=InputSimplex(), dtype=torch.float32)
    site, double = extended(single, windows).profile().sites[0], exact.sites[0]
    assert site.aofe_ratio == pytest.approx(double.aofe_ratio, rel=1e-4)
    assert 0 < (site.rounding_error["aofe_ratio"] or 0) < 1e-3 and not site.limited_by_rounding


def test_the_record_has_everything_that_other_protocols_have() -> None:
    windows = random_windows(9, SHORT)
    inputs = extended(tiny_pass("llama", protocol=InputSimplex()), windows).profile(spectrum=2)
    stream = extended(tiny_pass("llama"), windows).profile(spectrum=2)
    of_inputs, of_stream = inputs.sites[0].model_dump(), stream.sites[0].model_dump()
    assert {name for name, value in of_inputs.items() if value is None} <= {
        name for name, value in of_stream.items() if value is None
    }
    assert inputs.loss.nats_per_token == pytest.approx(stream.loss.nats_per_token, rel=1e-12)
    assert inputs.blocks is None


def test_memory_is_what_is_kept_twice_and_pieces() -> None:
    shape: Any = tiny_pass("llama").loaded.model.config
    few, more = (input_memory(shape, PassSize(64, windows, {-2: 256}), 2) for windows in (8, 16))
    assert more - few == 2 * 8 * 64 * 24 * 4 + 32 * (16**2 - 8**2)


def test_silence_is_said() -> None:
    zeros = torch.zeros(3, 3, dtype=torch.float64)
    site = site_interaction("input", InputGrams(torch.arange(3), 12, zeros, zeros))
    assert site.aofe == 0 and site.aofe_ratio is None and not site.below_noise_floor
