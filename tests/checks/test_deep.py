"""--deep: transformers itself says what fits, for every architecture the tests know."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

import shape_audit
from shape_audit.checks import formatted
from tests.checks.checkpoints import set_config, write_clean
from tests.tiny_models import CASES, save_tiny

SHOWN = ("error", "warning")


@pytest.mark.parametrize("case", CASES)
def test_models_that_transformers_saved_itself_have_no_errors(case: str, tmp_path: Path) -> None:
    report = shape_audit.check(str(save_tiny(tmp_path / case, case)), deep=True, weights=True)
    assert [f"{found.rule} {found.message}" for found in report.findings if found.severity == "error"] == []
    assert [found.rule for found in report.findings if found.rule.startswith(("SA3", "SA5"))] == []


def test_a_clean_checkpoint_can_be_built(tmp_path: Path) -> None:
    report = shape_audit.check(str(write_clean(tmp_path / "model")), deep=True)
    assert report.findings == [] and "SA313" in report.rules_run


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "opt", "falcon", "gemma3"])
def test_tensors_that_only_the_architecture_tells_about(architecture: str, tmp_path: Path) -> None:
    """The final norm is in no block; without --deep its name is known of types that always have it."""
    folder = save_tiny(tmp_path / "model", architecture)
    weights = load_file(folder / "model.safetensors")
    norm = next(name for name in reversed(list(weights)) if weights[name].ndim == 1 and not any(
        part.isdigit() for part in name.split(".")))  # fmt: skip
    values = weights.pop(norm)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    plain = [found.message for found in shape_audit.check(str(folder)).findings if found.rule == "SA301"]
    named = f"{norm} is not stored, but every {architecture} of transformers has it"
    assert plain in ([], ["no norm after the last block is stored"], [named])
    (found,) = [found for found in shape_audit.check(str(folder), deep=True).findings if found.rule == "SA301"]
    assert found.place == norm and found.severity == "error"
    save_file(weights | {norm: values[:-1].clone(), "more": values}, folder / "model.safetensors", {"format": "pt"})
    deep = [(found.rule, found.place) for found in shape_audit.check(str(folder), deep=True).findings]
    assert ("SA303", norm) in deep and ("SA302", "more") in deep


@pytest.mark.parametrize(
    "values", [{"model_type": "nothing"}, {"num_attention_heads": 0}, {"hidden_act": "none-such"}, {"model_type": None}]
)
def test_what_transformers_cannot_build_is_a_finding(values: dict, tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_config(**values)(folder)
    report = shape_audit.check(str(folder), deep=True)
    assert "SA313" in [found.rule for found in report.failing] or "SA407" in [found.rule for found in report.failing]


def test_no_weights_are_read(tmp_path: Path) -> None:
    """A file of the right size with nothing but its header is enough; so a Hub model is not downloaded."""
    folder = write_clean(tmp_path / "model")
    path = folder / "model.safetensors"
    length = 8 + int.from_bytes(path.read_bytes()[:8], "little")
    size = path.stat().st_size
    with path.open("r+b") as stream:
        stream.truncate(length)
        stream.truncate(size)
    assert shape_audit.check(str(folder), deep=True).findings == []


def test_the_config_alone_is_not_trusted(tmp_path: Path) -> None:
    """An index of two shards, one of them without a sound header: the other one is compared all the same."""
    folder = write_clean(tmp_path / "model")
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    rules = {found.rule for found in shape_audit.check(str(folder), deep=True).failing}
    assert rules == {"SA318"}  # far fewer parameters than a Llama of the default sizes has


def not_run(folder: Path) -> str:
    """Why --deep did not look; what it looks at otherwise must not be blamed."""
    report = shape_audit.check(str(folder), deep=True)
    assert "SA313" not in report.rules_run and not [one for one in report.findings if one.rule == "SA313"]
    assert "SA301" in report.rules_run  # blocks are compared with each other instead
    return report.rules_not_run["SA313"]


def test_a_missing_quantisation_package_is_a_reason_not_to_look(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_config(quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True})(folder)
    assert "--deep: " in (reason := not_run(folder)) and "bitsandbytes" in reason
    set_config(quantization_config={"quant_method": "nobody-knows"})(folder)
    assert "nobody-knows" in not_run(folder)


def test_a_quantisation_that_config_json_does_not_mention_is_a_reason_not_to_look(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    (folder / "hf_quant_config.json").write_text(json.dumps({"quantization": {"quant_algo": "FP8"}}))
    assert "hf_quant_config.json" in not_run(folder)


def test_code_of_the_repository_is_a_reason_not_to_look(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_config(auto_map={"AutoModelForCausalLM": "modeling.Mine"}, model_type="mine", architectures=["Mine"])(folder)
    assert "needs code of the repository" in not_run(folder)
    set_config(model_type="llama", architectures=["LlamaForCausalLM"])(folder)  # which transformers has itself
    assert "SA313" in shape_audit.check(str(folder), deep=True).rules_run


def test_reports_for_machines_say_why_not(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_config(auto_map={"AutoModelForCausalLM": "modeling.Mine"}, model_type="mine", architectures=["Mine"])(folder)
    report = shape_audit.check(str(folder), deep=True)
    for form in ("json", "junit", "github", "markdown"):
        assert "needs code of the repository" in str(formatted(report, form, anchor="config.json")), form


def test_a_type_that_a_newer_transformers_has_is_a_reason_not_to_look(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_config(model_type="llama9", architectures=["Llama9ForCausalLM"], transformers_version="99.0.0")(folder)
    assert "was written by 99.0.0" in not_run(folder)
    set_config(transformers_version="4.0.0")(folder)
    (found,) = shape_audit.check(str(folder), deep=True, select=("SA313",)).findings
    assert "llama9" in found.message


def test_the_whole_reason_is_kept_and_no_temporary_path_is_shown(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_config(layer_types=["full_attention"] * 9)(folder)
    (found,) = shape_audit.check(str(folder), deep=True, select=("SA313",)).failing
    assert "validate_layer_type" in found.message and "`num_hidden_layers` (4) must be equal" in found.message
    set_config(layer_types=None, model_type=None, architectures=None)(folder)
    for one in shape_audit.check(str(folder), deep=True).findings:
        assert "shape-audit-" not in one.message


@pytest.mark.parametrize(
    "values",
    [{"block_size": 4096, "num_experts_per_tok": 5000, "layer_norm_eps": 10**7, "attn_block_size": 10**6,
      "layerwise_decay": 10**9, "num_block_records": 10**5, "max_window_layers": 2000}],
)  # fmt: skip
def test_keys_that_count_nothing_built_are_not_absurd(values: dict, tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_config(**values)(folder)
    assert shape_audit.check(str(folder), deep=True).failing == []


@pytest.mark.parametrize("values", [{"num_hidden_layers": 10**7}, {"encoder_layers": 10**6}, {"num_experts": 10**9}])
def test_keys_that_count_what_is_built_are(values: dict, tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_config(**values)(folder)
    (found,) = shape_audit.check(str(folder), deep=True, select=("SA313",)).failing
    assert "is implausible; it was not built" in found.message


def test_a_nested_model_is_built_with_the_class_its_config_names(tmp_path: Path) -> None:
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    text = LlamaConfig(vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4)
    vision = CLIPVisionConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
                              image_size=16, patch_size=8)  # fmt: skip
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=63)
    LlavaForConditionalGeneration(config).save_pretrained(tmp_path)
    report = shape_audit.check(str(tmp_path), deep=True)
    assert "SA313" in report.rules_run and report.failing == []
    weights = load_file(tmp_path / "model.safetensors")
    lost = [name for name in weights if "multi_modal_projector" in name]
    save_file({n: w for n, w in weights.items() if n not in lost}, tmp_path / "model.safetensors", {"format": "pt"})
    (found,) = shape_audit.check(str(tmp_path), deep=True).failing
    assert found.rule == "SA301" and "all 4 tensors of model.multi_modal_projector" in found.message


def test_an_expert_that_is_lost_or_cut_is_one_finding(tmp_path: Path) -> None:
    """transformers stacks experts while loading, and ends with an exception that names no tensor of the file."""
    from transformers import MixtralConfig, MixtralForCausalLM

    config = MixtralConfig(vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=4,
                           num_attention_heads=4, num_key_value_heads=2, num_local_experts=3)  # fmt: skip
    MixtralForCausalLM(config).save_pretrained(tmp_path)
    assert shape_audit.check(str(tmp_path), deep=True).failing == []
    weights = load_file(tmp_path / "model.safetensors")
    name = "model.layers.2.block_sparse_moe.experts.1.w1.weight"
    save_file({**weights, name: weights[name][:-1].clone()}, tmp_path / "model.safetensors", {"format": "pt"})
    (found,) = shape_audit.check(str(tmp_path), deep=True).failing
    assert (found.rule, found.place) == ("SA303", name)
    del weights[name]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    (found,) = shape_audit.check(str(tmp_path), deep=True).failing
    assert (found.rule, found.place) == ("SA301", name)
