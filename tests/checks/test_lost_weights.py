"""Damage of saving, merging and wrapping: one finding that names the cause, whatever else follows from it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import shape_audit
from shape_audit.checks.tensor_groups import grouped, prefix_apart, ranges
from shape_audit.checks.wrapper_names import unwrapped, wrappers_in
from shape_audit.errors import IncompleteError
from tests.checks.checkpoints import BLOCKS, Tensors, clean_tensors, set_config, set_tensors, write_clean, write_sharded

Change = Callable[[Tensors], object]


def renamed(pattern: str, replacement: str) -> Change:
    def change(tensors: Tensors) -> None:
        for name in list(tensors):
            tensors[re.sub(pattern, replacement, name)] = tensors.pop(name)

    return change


def emptied(pattern: str) -> Change:
    return lambda tensors: tensors.update({name: np.zeros((0,), "<f4") for name in tensors if re.search(pattern, name)})


def bad(folder: Path, *, deep: bool = False) -> list[tuple[str, str, str]]:
    """(rule, place, message) of errors and warnings."""
    report = shape_audit.check(str(folder), deep=deep)
    return [(one.rule, one.place, one.message) for one in report.findings if one.severity != "note"]


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(
    ("change", "place", "says"),
    [
        (renamed("^", "_orig_mod."), "_orig_mod", "all 39 names begin with `_orig_mod.`, which torch.compile adds"),
        (renamed("^", "module."), "module", "all 39 names begin with `module.`"),
        (renamed("^", "base_model.model."), "base_model.model", "which PEFT adds"),
        (renamed("^model", "model.model.model"), "model.model.model", "names begin with `model.model.model.`"),
        (
            renamed(r"layers\.(\d+)", r"layers.\1._fsdp_wrapped_module"),
            "_fsdp_wrapped_module",
            "36 of 39 names contain",
        ),
        (renamed(r"layers\.(\d+)", r"layers.\1._checkpoint_wrapped_module"), "_checkpoint_wrapped_module", "36 of 39"),
        (renamed(r"layers\.(\d+)\.mlp", r"layers.\1.mlp._orig_mod"), "_orig_mod", "12 of 39 names contain"),
        (renamed("q_proj.weight", "q_proj.base_layer.weight"), "base_layer", "4 of 39 names contain `base_layer.`"),
        (renamed("^", "module._orig_mod."), "_orig_mod", "which torch.compile adds, and `module.`, which Distributed"),
        (renamed("^", "student."), "student", "all 39 names begin with `student.`, which a class around"),
        (renamed("^", "actor.policy."), "actor.policy", "all 39 names begin with `actor.policy.`"),
        (renamed("^", "language_model."), "language_model", "all 39 names begin with `language_model.`, which a class"),
    ],
)
def test_a_wrappers_names_are_one_finding(change: Change, place: str, says: str, deep: bool, tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_tensors(change)(folder)
    ((rule, where, message),) = bad(folder, deep=deep)
    assert (rule, where) == ("SA315", place) and says in message


@pytest.mark.parametrize(
    ("beginnings", "found"),
    [
        (("policy.", "old_policy."), [("SA315", "policy"), ("SA315", "old_policy")]),
        (("policy.", "reference."), [("SA302", "reference"), ("SA315", "policy")]),
        (("", "reference."), [("SA302", "reference")]),
        (("student.", "teacher."), [("SA302", "teacher"), ("SA315", "student")]),
        (("actor.model.", "critic_model.model."), [("SA315", "actor"), ("SA315", "critic_model")]),
        (("", "ema."), [("SA302", "ema")]),
    ],
)
def test_two_models_in_one_file(beginnings: tuple[str, str], found: list[tuple[str, str]], tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")

    def change(tensors: Tensors) -> None:
        of_one = dict(tensors)
        tensors.clear()
        tensors.update({f"{one}{name}": values for one in beginnings for name, values in of_one.items()})

    set_tensors(change)(folder)
    assert [(rule, place.partition(".")[0]) for rule, place, _ in bad(folder)] == found


def test_a_wrapper_that_nobody_knows_is_one_finding_of_transformers(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_tensors(renamed("^model", "my_wrapper.model"))(folder)
    ((rule, place, message),) = bad(folder, deep=True)
    assert (rule, place) == ("SA301", "my_wrapper") and "38 names begin with `my_wrapper.`" in message


@pytest.mark.parametrize("inner", ["linear.weight", "weight_g"])
def test_a_matrix_one_level_deeper_is_a_matrix_lost(inner: str, tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_tensors(renamed("q_proj.weight", f"q_proj.{inner}"))(folder)
    ((rule, place, message),) = bad(folder)
    assert (rule, place) == ("SA301", "model.layers.0-3.self_attn.q_proj.weight")
    assert message.endswith("(SA302 follows from this)")


def test_a_class_around_a_model_of_text_and_images_is_found_too(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    text = json.loads((folder / "config.json").read_text())
    set_config(model_type="llava", architectures=["LlavaForConditionalGeneration"], text_config=text)(folder)
    set_tensors(renamed("^", "language_model."))(folder)
    assert "SA315" not in [rule for rule, _, _ in bad(folder)]
    set_tensors(renamed("^", "student.language_model."))(folder)
    assert ("SA315", "student") in [found[:2] for found in bad(folder)]


def test_model_twice_is_what_transformers_drops(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_tensors(renamed(r"^model\.", "model.model."))(folder)
    assert bad(folder) == bad(folder, deep=True) == []
    assert "SA315" in [one.rule for one in shape_audit.check(str(folder)).findings]


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("", r"^all tensors are empty"),
        (
            "proj|embed|head",
            r"^30 of 39 tensors are empty .*all 28 tensors of model\.layers\.\{0-3\}\.\{mlp, self_attn\}",
        ),
        (r"layers\.2\.", r"^9 of 39 tensors are empty .*: all 9 tensors of model\.layers\.2$"),
        ("lm_head|embed", r"^2 of 39 .*lm_head\.weight, model\.embed_tokens\.weight"),
    ],
)
def test_tensors_that_were_not_gathered_are_one_finding(pattern: str, says: str, deep: bool, tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_tensors(emptied(pattern))(folder)
    ((rule, _, message),) = bad(folder, deep=deep)
    assert rule == "SA316" and re.search(says, message), message


def test_a_merge_of_nearly_nothing_is_one_finding(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_tensors(lambda t: [t.pop(name) for name in list(t) if t[name].ndim > 1])(folder)
    for deep in (False, True):
        ((rule, _, message),) = bad(folder, deep=deep)
        assert rule == "SA318" and message.startswith("576 parameters are stored")


def test_a_lost_block_and_a_lost_tensor_of_many_blocks_are_one_finding_each(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_tensors(lambda t: [t.pop(name) for name in list(t) if ".layers.1." in name])(folder)
    ((rule, place, message),) = bad(folder)
    assert (rule, place) == ("SA304", "blocks") and "there is no block 1" in message
    ((rule, place, message),) = bad(folder, deep=True)
    assert (rule, place) == ("SA301", "model.layers.1") and message.startswith(
        "all 9 tensors of model.layers.1 are not"
    )
    set_tensors(lambda t: [t.pop(name) for name in list(t) if "up_proj" in name])(folder)
    ((rule, place, message),) = bad(folder, deep=True)
    assert rule == "SA301" and message.startswith("model.layers.{0-3}.mlp.up_proj.weight (4 tensors) are not stored")


def test_shards_of_another_sharding_are_one_finding(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    write_sharded(folder)
    for shard in list(folder.glob("*.safetensors")):
        shard.rename(folder / shard.name.replace("of-00002", "of-00003"))
    ((rule, _, message),) = bad(folder)
    assert rule == "SA305" and message.startswith("2 of 2 files listed are not there (model-00001-of-00002.safetensors")
    assert "beside it lie model-00001-of-00003.safetensors, model-00002-of-00003.safetensors" in message


def test_shards_without_an_index_are_named_by_check_and_audit(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    write_sharded(folder)
    (folder / "model.safetensors.index.json").unlink()
    ((rule, _, message),) = bad(folder)
    assert rule == "SA705" and "only model-00001-of-00002.safetensors, model-00002" in message
    with pytest.raises(shape_audit.IncompleteError, match=r"no model.safetensors.index.json; there is model-00001"):
        shape_audit.audit(str(folder), shape_only=True)


@pytest.mark.parametrize(
    "shard", ["__0_0.distcp", "pytorch_model_fsdp_0/__0_0.distcp", "global_step7/mp_rank_00_model_states.pt"]
)
def test_shards_of_a_distributed_checkpoint_are_named(shard: str, tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    (folder / shard).parent.mkdir(exist_ok=True)
    (folder / shard).write_bytes(b"x")
    found = [one for one in shape_audit.check(str(folder)).failing if one.rule == "SA705"]
    assert shard in found[0].message and "distributed" in found[0].message and "zero_to_fp32" in found[0].fix


def test_a_config_beside_checkpoints_leads_to_them(tmp_path: Path) -> None:
    """As trainers leave it that write config and tokenizer first."""
    write_clean(tmp_path / "run" / "checkpoint-500")
    (tmp_path / "run" / "config.json").write_text((tmp_path / "run" / "checkpoint-500" / "config.json").read_text())
    (message,) = (message for rule, _, message in bad(tmp_path / "run") if rule == "SA705")
    assert message.endswith("; there is checkpoint-500/config.json, see --subfolder")
    with pytest.raises(IncompleteError, match=r"there is checkpoint-500/config\.json, see --subfolder"):
        shape_audit.audit(tmp_path / "run", shape_only=True)


def test_mistrals_own_form_beside_the_usual_one_is_a_note(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    (folder / "consolidated.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    assert [rule for rule, _, _ in bad(folder)] == ["SA704"]
    (folder / "params.json").write_text("{}")
    assert bad(folder) == []


def test_an_index_without_its_files_is_not_said_to_be_absent(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {}}))
    ((rule, _, message),) = bad(folder)
    assert rule == "SA705" and "index" not in message


def test_names_are_grouped_by_the_largest_whole_modules() -> None:
    names = [*clean_tensors()]
    in_all = [name for name in names if "mlp" in name and ".1." not in name]
    (group,) = grouped(in_all, among=names)
    assert (str(group), group.count) == ("all 9 tensors of model.layers.{0, 2-3}.mlp", 9)
    assert [str(one) for one in grouped(names, among=names)] == ["all 39 tensors"]
    assert [str(one) for one in grouped(["model.norm.weight"], among=names)] == ["model.norm.weight"]
    assert sum(one.count for one in grouped(names[::3], among=names)) == len(names[::3])
    assert ranges(range(0, 40, 2)) == "0, 2, 4, 6, 8, 10, ..."


def test_a_beginning_that_is_too_much_or_too_little_is_found() -> None:
    names = [*clean_tensors()]
    assert prefix_apart([f"a.b.{name}" for name in names], names) == ("a.b", True, tuple(f"a.b.{n}" for n in names))
    assert prefix_apart(names, [f"a.{name}" for name in names]) == ("a", False, tuple(names))
    assert prefix_apart(["x.weight"], names) is None and prefix_apart([], []) is None


def test_what_wrappers_add_can_be_taken_away() -> None:
    name = f"module._orig_mod.model.layers.{BLOCKS}._checkpoint_wrapped_module.mlp.up_proj.weight"
    found = wrappers_in([name], {})
    assert {one.name for one in found} == {"module", "_orig_mod", "_checkpoint_wrapped_module"}
    assert unwrapped(name, found) == f"model.layers.{BLOCKS}.mlp.up_proj.weight"
    assert wrappers_in(["model.modules.0.weight", "encoder.module.weight", "model.base_layers.weight"], {}) == []


@pytest.mark.parametrize("depth", [BLOCKS - 1, BLOCKS + 1])
def test_a_wrong_depth_is_one_finding(depth: int, tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_config(num_hidden_layers=depth, layer_types=["full_attention"] * depth)(folder)
    for deep in (False, True):
        assert [one[:2] for one in bad(folder, deep=deep)] == [("SA304", "num_hidden_layers")]
    set_config(layer_types=["full_attention"] * BLOCKS)(folder)
    assert [one[:2] for one in bad(folder)] == [("SA304", "num_hidden_layers")]


def test_adapters_that_are_the_architectures_own_are_no_leftovers(tmp_path: Path) -> None:
    """Phi-4-multimodal keeps a base layer and two adapters in every matrix; its config has their settings."""
    folder = write_clean(tmp_path / "model")
    set_config(model_type="phi4mm")(folder)

    def adapt(tensors: Tensors) -> None:
        renamed("q_proj.weight", "q_proj.base_layer.weight")(tensors)
        for index in range(BLOCKS):
            tensors[f"model.layers.{index}.self_attn.q_proj.lora_A.speech.weight"] = np.ones((2, 64), "<f4")

    set_tensors(adapt)(folder)
    assert [rule for rule, _, _ in bad(folder)] == ["SA302", "SA315"]
    set_config(speech_lora={"r": 2})(folder)
    assert bad(folder) == []


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("model.layers.0.self_attn.q_proj.lora_A.default.weight", "is adapter matrices that were not merged"),
        ("v_head.summary.weight", "is a head of reinforcement learning"),
        ("optimizer.state.exp_avg", "is state of training"),
    ],
)
def test_what_training_left_is_named(name: str, what: str, tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_tensors(lambda tensors: tensors.update({name: np.ones((2, 64), "<f4")}))(folder)
    assert ("SA302", name, f"{name} {what}") in bad(folder)


def test_the_head_of_a_reward_model_is_its_own(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_tensors(lambda tensors: tensors.update({"v_head.weight": np.ones((1, 64), "<f4")}))(folder)
    set_config(model_type="internlm2", architectures=["InternLM2ForRewardModel"])(folder)
    assert bad(folder) == []


def test_the_last_norm_is_missed(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_tensors(lambda tensors: tensors.pop("model.norm.weight"))(folder)
    assert bad(folder) == [("SA301", "norm", "no norm after the last block is stored")]


def test_like_tensors_of_one_module_are_one_group() -> None:
    names = [f"model.layers.{i}.attn.{part}.{what}" for i in range(3) for part in "qk" for what in ("weight", "bias")]
    lost = [name for name in names if name.endswith("bias")]
    assert [str(one) for one in grouped(lost, among=names)] == ["model.layers.{0-2}.attn.{k, q}.bias (6 tensors)"]
