"""Which matrices read the stream: every model type in the facts is run, every fused layout compared with the model."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from shape_audit.errors import NotAuditableError
from shape_audit.hub import read_checkpoint
from shape_audit.interaction import weight_energies
from shape_audit.interaction.ansatz.reading_matrices import FACTS, Part, ReadingMatrix, find_matrices
from shape_audit.interaction.ansatz.seen_matrices import seen_matrices
from shape_audit.interaction.ansatz.weight_gram import rows_of
from shape_audit.interaction.ansatz.weight_inputs import WeightInputs
from shape_audit.shipped import facts
from tests.tiny_models import CASES, FALCON_LIKE, GPT2_LIKE, LLAMA_LIKE, save_tiny, tiny_model

IDS = torch.arange(20).reshape(2, 10)
EIGHT_WIDE, SIX_WIDE = ({**LLAMA_LIKE, "head_dim": width} for width in (8, 6))
MORE = {
    "ministral": SIX_WIDE,
    "gemma": EIGHT_WIDE,
    "cohere2": LLAMA_LIKE,
    "olmo": LLAMA_LIKE,
    "olmo3": LLAMA_LIKE,
    "helium": SIX_WIDE,
    "ernie4_5": SIX_WIDE,
    "seed_oss": SIX_WIDE,
    "arcee": LLAMA_LIKE,
    "apertus": LLAMA_LIKE,
    "nemotron": LLAMA_LIKE,
    "phi": {**LLAMA_LIKE, "num_attention_heads": 3, "num_key_value_heads": 3},
    "glm": SIX_WIDE,
    "glm4": SIX_WIDE,
    "gpt_bigcode": {**GPT2_LIKE, "multi_query": True},
    "gpt_bigcode, a head at a time": {**GPT2_LIKE, "multi_query": False},
    "falcon, a head at a time": {**FALCON_LIKE, "multi_query": False, "parallel_attn": False},
}
"""Beyond `CASES`: model type (and what sets it apart) -> settings."""

FUSED = ("gpt2", "gpt_neox", "phi3", "bloom", "falcon", "falcon-new", "gpt_bigcode", "gpt_bigcode, a head at a time",
         "falcon, a head at a time")  # fmt: skip


def model_of(name: str) -> Any:
    """A two-layer model in float64, biases and norms not at their start values."""
    if name in CASES:
        return tiny_model(name, torch.float64)
    config = transformers.AutoConfig.for_model(
        name.partition(",")[0], bos_token_id=None, eos_token_id=None, pad_token_id=None, **MORE[name]
    )
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float64).eval()
    for parameter in model.requires_grad_(False).parameters():
        if parameter.ndim == 1:
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def matrices_of(model: Any) -> dict[str, ReadingMatrix]:
    return {matrix.name: matrix for matrix in find_matrices(model.config, dict(model.named_modules()))}


def test_every_model_type_of_the_facts_is_run_here() -> None:
    known = {t for layout in facts(FACTS)["layouts"] for t in layout["model_types"]}
    assert known == {model_of(name).config.model_type for name in [*CASES, *MORE]}


@pytest.mark.parametrize("name", [*CASES, *MORE])
def test_roles_of_a_block_share_their_inputs(name: str) -> None:
    """q, k and v read one tensor, up and gate one, so that its gradient is the total one for each of them."""
    model = model_of(name)
    matrices = matrices_of(model)
    inputs = WeightInputs(model, list(matrices.values()))
    inputs.add_micro_batch(IDS, 0)
    assert [*matrices][:: len(matrices) - 1] == ["embedding", "unembedding"]
    for block in range(2):
        of_block = {role: matrices[f"block.{block}.{role}"] for role in ("q", "k", "v", "up")}
        sources = {role: inputs.source[matrix.module] for role, matrix in of_block.items()}
        assert sources["q"] == sources["k"] == sources["v"]
        if (gate := matrices.get(f"block.{block}.gate")) is not None:
            assert inputs.source[gate.module] == sources["up"]
        for matrix in of_block.values():
            weight_OD = rows_of(matrix, model.get_submodule(matrix.module).weight)
            assert weight_OD.shape[1] == 24
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("name", [*CASES, *MORE])
def test_what_is_seen_in_one_forward_is_what_the_table_knows(name: str) -> None:
    """The same modules for every type of the table; the same roles but for parts of fused matrices."""
    model = model_of(name)
    table, seen = matrices_of(model).values(), seen_matrices(model)
    assert {(m.module, m.is_transposed) for m in seen} == {(m.module, m.is_transposed) for m in table}
    assert [m for m in table if m.part is None] == [
        m for m in seen if m.module in {t.module for t in table if not t.part}
    ]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("model_type", "settings", "roles"),
    [
        (
            "persimmon",
            {**LLAMA_LIKE, "num_attention_heads": 3, "num_key_value_heads": None},
            ["up", "self_attn-query_key_value"],
        ),
        ("biogpt", {**LLAMA_LIKE, "num_key_value_heads": None}, ["q", "k", "v", "up"]),
        ("codegen", {**GPT2_LIKE, "rotary_dim": 4}, ["up", "attn-qkv_proj"]),
        ("hunyuan_v1_dense", {**LLAMA_LIKE, "head_dim": 6}, ["q", "k", "v", "gate", "up"]),
        ("mpt", {"vocab_size": 256, "d_model": 24, "n_layers": 2, "n_heads": 4, "max_seq_len": 64}, None),
        ("nanochat", {**LLAMA_LIKE, "num_key_value_heads": 4}, ["q", "k", "v", "up"]),
        ("diffllama", LLAMA_LIKE, ["q", "k", "v", "gate", "up"]),
    ],
)
def test_types_that_no_table_knows_are_seen(model_type: str, settings: dict[str, Any], roles: list[str] | None) -> None:
    given = {key: value for key, value in settings.items() if value is not None}
    config = transformers.AutoConfig.for_model(model_type, **given)
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float64).eval().requires_grad_(False)
    with pytest.raises(NotAuditableError, match="is not known"):
        find_matrices(model.config, dict(model.named_modules()))
    found = seen_matrices(model)
    inputs = WeightInputs(model, found)
    inputs.add_micro_batch(IDS, 0)
    of_block = [m.name.removeprefix("block.1.") for m in found if m.name.startswith("block.1.")]
    assert of_block and (roles is None or of_block == roles)


def spied(model: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[torch.Tensor]]:
    """q, k, v (T, rows) of each block for one window, from inside the model; rotary leaves the first token as it is."""
    seen: dict[str, list[torch.Tensor]] = {"q": [], "k": [], "v": []}

    def note(states: Any, *, heads_first: bool) -> None:
        for role, state in zip("qkv", states, strict=True):
            by_token = state.transpose(1, 2) if heads_first else state
            seen[role].append(by_token[0].flatten(1))

    if model.config.model_type == "falcon":
        attention = type(model.transformer.h[0].self_attention)
        plain = attention._split_heads

        def split_heads(self: Any, fused: torch.Tensor) -> Any:
            query, key, value = states = plain(self, fused)
            repeats = self.num_heads // self.num_kv_heads if self.new_decoder_architecture else 1
            note((query, key[:, :, ::repeats], value[:, :, ::repeats]), heads_first=False)  # one a group of heads
            return states

        monkeypatch.setattr(attention, "_split_heads", split_heads)
    elif model.config.model_type == "bloom":
        attention = type(model.transformer.h[0].self_attention)
        reshape = attention._reshape

        def reshaped(self: Any, fused: torch.Tensor) -> Any:
            states = reshape(self, fused)
            note(states, heads_first=True)
            return states

        monkeypatch.setattr(attention, "_reshape", reshaped)
    else:
        sdpa = transformers.AttentionInterface()["sdpa"]

        def attend(module: Any, query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
            note((query, key, value), heads_first=True)
            return sdpa(module, query, key, value, *args, **kwargs)

        monkeypatch.setitem(transformers.AttentionInterface._global_mapping, "sdpa", attend)
    model(input_ids=IDS[:1], use_cache=False)
    return seen


@pytest.mark.parametrize("name", FUSED)
def test_parts_give_what_the_models_own_forward_computes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(name)
    matrices = matrices_of(model)
    fed: dict[str, torch.Tensor] = {}
    for matrix in matrices.values():
        model.get_submodule(matrix.module).register_forward_hook(
            lambda _, args, output, key=matrix.module: fed.__setitem__(key, args[0])
        )
    seen = spied(model, monkeypatch)
    for block in range(2):
        for role in "qkv":
            matrix = matrices[f"block.{block}.{role}"]
            module = model.get_submodule(matrix.module)
            expected_TO = fed[matrix.module][0] @ rows_of(matrix, module.weight).T
            if getattr(module, "bias", None) is not None:
                expected_TO = expected_TO + rows_of(matrix, module.bias)
            torch.testing.assert_close(seen[role][block][0], expected_TO[0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["phi3", "glm", "glm4"])
def test_gate_and_up_give_what_the_mlp_computes(name: str) -> None:
    model = model_of(name)
    matrices = matrices_of(model)
    mlp = model.model.layers[1].mlp
    seen = []
    mlp.gate_up_proj.register_forward_hook(lambda _, args, output: seen.append(args[0]))
    mlp.down_proj.register_forward_hook(lambda _, args, output: seen.append(args[0]))
    model(input_ids=IDS, use_cache=False)
    gate_OD, up_OD = (rows_of(matrices[f"block.1.{role}"], mlp.gate_up_proj.weight) for role in ("gate", "up"))
    activation = getattr(mlp, "activation_fn", None) or mlp.act_fn
    torch.testing.assert_close(activation(seen[0] @ gate_OD.T) * (seen[0] @ up_OD.T), seen[1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_energies_of_a_checkpoint(name: str, tmp_path: Path) -> None:
    """Tensors are found under the names they are stored with, which are not always the modules' own."""
    folder = save_tiny(tmp_path, name)
    found = weight_energies(read_checkpoint(str(folder)))
    model = tiny_model(name)
    matrices = matrices_of(model)
    assert [weight.name for weight in found] == list(matrices)
    for weight in found:
        matrix = matrices[weight.name]
        weight_OD = rows_of(matrix, model.get_submodule(matrix.module).weight).double().numpy()
        gram = weight_OD.T @ weight_OD
        total, diagonal = (gram**2).sum(), (gram.diagonal() ** 2).sum()
        assert weight.shape == weight_OD.shape
        assert weight.energies.aofe_ratio == pytest.approx(1 - diagonal / total, rel=1e-5, abs=1e-7)
        mean_cos2 = (total - diagonal) / (gram.trace() ** 2 - diagonal)
        assert weight.energies.mean_cos2 == pytest.approx(mean_cos2, rel=1e-5, abs=1e-7)


def test_what_is_not_known_is_refused() -> None:
    model = tiny_model("llama")
    names = set(dict(model.named_modules()))
    with pytest.raises(NotAuditableError, match=r"weights of llama: 0 modules match"):
        find_matrices(model.config, names - {"model.layers.1.mlp.up_proj"})
    model.config.model_type = "newest"
    with pytest.raises(NotAuditableError, match="which weights of newest read the residual stream is not known"):
        find_matrices(model.config, names)


def test_rows_that_cannot_be_divided_are_refused() -> None:
    for rows, part in ((10, Part(1, (1, 1, 1), 0)), (12, Part(4, (2, 1, 1), 1))):
        with pytest.raises(NotAuditableError, match=f"{rows} rows of a fused matrix"):
            part.span(rows)
