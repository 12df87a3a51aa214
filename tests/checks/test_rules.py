"""Every rule: a checkpoint that it and no other finds fault with, and the clean one that none does."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

import shape_audit
from shape_audit.checks import RULES, CheckOptions, Policy, formatted
from shape_audit.records import Interval, sealed, write_record
from shape_audit.reports import with_interval
from tests.checks.checkpoints import (
    BLOCKS,
    FEED_FORWARD,
    VOCABULARY,
    WIDTH,
    Tensors,
    clean_tensors,
    resized,
    safetensors_bytes,
    set_config,
    set_header,
    set_tensors,
    write_clean,
    write_sharded,
)
from tests.security.planted import onnx, torchscript
from tests.tiny_models import save_tiny

EVERYTHING: dict[str, Any] = {"weights": True, "fail_on": "note"}
NOBODY = 65534


def config_and_tensors(change: Callable[[Tensors], object], **values: Any) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        set_config(**values)(folder)
        set_tensors(change)(folder)

    return spoil


def without(*names: str) -> Callable[[Tensors], object]:
    return lambda tensors: [tensors.pop(name) for name in names]


def renamed(change: Callable[[str], str]) -> Callable[[Tensors], object]:
    """Every tensor under another name."""

    def rename(tensors: Tensors) -> None:
        for name in list(tensors):
            tensors[change(name)] = tensors.pop(name)

    return rename


def with_feed_forward(size: int) -> Callable[[Path], None]:
    return config_and_tensors(
        lambda t: resized(t, gate_proj__weight=(size, WIDTH), up_proj__weight=(size, WIDTH),
                          down_proj__weight=(WIDTH, size)),
        intermediate_size=size,
    )  # fmt: skip


def with_heads(width: int = WIDTH, *, key_value_heads: int = 8, head_dim: int = 8) -> Callable[[Path], None]:
    """Eight query heads of another size, or other key/value heads, with the matrices that belong to them."""

    def change(tensors: Tensors) -> None:
        for name, values in list(tensors.items()):
            shape = tuple(width if size == WIDTH else size for size in values.shape)
            tensors[name] = np.random.default_rng(0).normal(size=shape).astype("<f4")
        queries, keys = 8 * head_dim, key_value_heads * head_dim
        resized(tensors, q_proj__weight=(queries, width), k_proj__weight=(keys, width),
                v_proj__weight=(keys, width), o_proj__weight=(width, queries))  # fmt: skip

    sizes = {"hidden_size": width, "num_key_value_heads": key_value_heads, "head_dim": head_dim}
    return config_and_tensors(change, **sizes)


def with_vocabulary(size: int) -> Callable[[Path], None]:
    return config_and_tensors(
        lambda t: resized(t, embed_tokens__weight=(size, WIDTH), lm_head__weight=(size, WIDTH)), vocab_size=size
    )


def write(name: str, content: bytes | str) -> Callable[[Path], None]:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data) and None


def moved(name: str, begin: int, end: int) -> Callable[[Path], None]:
    """A tensor with other offsets."""

    def change(header: dict[str, Any]) -> None:
        offsets = header[name]["data_offsets"]
        header[name]["data_offsets"] = [offsets[0] + begin, offsets[1] + end]

    return set_header(change)


def twice(folder: Path) -> None:
    """A header that names a tensor twice."""
    raw = (folder / "model.safetensors").read_bytes()
    length = int.from_bytes(raw[:8], "little")
    text = b'{"model.norm.weight":{},' + raw[9 : 8 + length]
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + length :])


def sharded(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    return lambda folder: write_sharded(folder, change)


def tensor_twice(folder: Path) -> None:
    write_sharded(folder)
    norm = {"model.norm.weight": clean_tensors()["model.norm.weight"]}
    first = folder / "model-00001-of-00002.safetensors"
    first.write_bytes(safetensors_bytes({**dict(list(clean_tensors().items())[:20]), **norm}))
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    index["metadata"]["total_size"] += norm["model.norm.weight"].nbytes
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def poisoned(name: str, value: float, count: int = 1) -> Callable[[Path], None]:
    def change(tensors: Tensors) -> None:
        tensors[name].reshape(-1)[:count] = value

    return set_tensors(change)


def unreadable(folder: Path) -> None:
    (folder / "model-extra.json").mkdir()


def linked(folder: Path) -> None:
    outside = folder.parent / "elsewhere.md"
    outside.write_text("# elsewhere")
    (folder / "README.md").symlink_to(outside)


def adapter(folder: Path) -> None:
    for file in folder.glob("model*"):
        file.unlink()
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base"}')


def custom_generate(folder: Path) -> None:
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text("def generate(model): ...")


def remove(*names: str) -> Callable[[Path], None]:
    return lambda folder: [(folder / name).unlink() for name in names] and None


def deeper(blocks: int) -> Callable[[Path], None]:
    """With so many more blocks; what costs more than 1 % is deeper than R_D/W .106."""

    def change(tensors: Tensors) -> None:
        for index in range(blocks):
            of_block = {name: values for name, values in tensors.items() if f".{index}." in name}
            tensors.update({name.replace(f".{index}.", f".{BLOCKS + index}."): v for name, v in of_block.items()})

    return config_and_tensors(change, num_hidden_layers=BLOCKS + blocks)


def other_end_of_text(folder: Path) -> None:
    set_config(eos_token_id=2)(folder)
    (folder / "generation_config.json").write_text('{"eos_token_id": 3}')


UP = "model.layers.2.mlp.up_proj.weight"
GATE = "model.layers.1.mlp.gate_proj.weight"

Spoil = Callable[[Path], None]
CASES: dict[str, tuple[Spoil, str, str]] = {
    # rule: how the clean checkpoint is spoiled, the finding's file, its place
    "SA101": (deeper(BLOCKS), "config.json", "shape_cost"),
    "SA102": (set_tensors(lambda t: [t.update({f"model.layers.{i}.{n}_layernorm.weight": np.ones(80, "<f4")
              for n in ("input", "post_attention")}) for i in (2, 3)]), "config.json", "widths"),
    "SA103": (set_tensors(renamed(lambda name: name.replace(".mlp.", ".mlp.experts.0."))), "config.json", "dense"),
    "SA104": (with_feed_forward(64), "config.json", "intermediate_size"),
    "SA105": (with_heads(head_dim=32), "config.json", "head_dim"),
    "SA201": (with_heads(96, head_dim=16), "config.json", "hidden_size"),
    "SA202": (with_feed_forward(200), "config.json", "intermediate_size"),
    "SA203": (with_vocabulary(257), "config.json", "vocab_size"),
    "SA204": (with_heads(head_dim=9), "config.json", "head_dim"),
    "SA205": (with_heads(key_value_heads=3), "config.json", "num_key_value_heads"),
    "SA206": (set_config(num_attention_heads=4, num_key_value_heads=4), "config.json", "num_attention_heads"),
    "SA301": (set_tensors(without(UP)), "model.safetensors", UP),
    "SA302": (set_tensors(lambda t: t.update({"model.layers.2.extra.weight": np.ones(3, "<f4")})),
              "model.safetensors", "model.layers.2.extra.weight"),
    "SA303": (set_tensors(lambda t: t.update({UP: t[UP][1:]})), "model.safetensors", UP),
    "SA304": (set_config(num_hidden_layers=BLOCKS - 1), "config.json", "num_hidden_layers"),
    "SA305": (sharded(lambda index: index["weight_map"].update({"lm_head.weight": "gone.safetensors"}) or
              index["metadata"].pop("total_size")), "model.safetensors.index.json", "gone.safetensors"),
    "SA306": (sharded(lambda index: index["weight_map"].update({UP: "model-00001-of-00002.safetensors"})),
              "model.safetensors.index.json", UP),
    "SA307": (sharded(lambda index: index["metadata"].update(total_size=1)),
              "model.safetensors.index.json", "total_size"),
    "SA308": (tensor_twice, "model-00002-of-00002.safetensors", "model.norm.weight"),
    "SA309": (set_config(tie_word_embeddings=True), "config.json", "tie_word_embeddings"),
    "SA310": (set_tensors(without("lm_head.weight")), "config.json", "tie_word_embeddings"),
    "SA311": (set_tensors(lambda t: t.update({GATE: t[GATE].astype("<f2")})), "model.safetensors", "dtype"),
    "SA312": (set_config(dtype="bfloat16"), "config.json", "dtype"),
    "SA314": (set_tensors(without(*(f"model.layers.{i}.mlp.up_proj.weight" for i in (0, 1)))),
              "model.safetensors", "mlp.up_proj.weight"),
    "SA315": (set_tensors(renamed(lambda name: f"_orig_mod.{name}")), "model.safetensors", "_orig_mod"),
    "SA316": (set_tensors(lambda t: t.update({UP: np.zeros((0,), "<f4")})), "model.safetensors", "empty tensors"),
    "SA317": (set_tensors(lambda t: resized(t, lm_head__weight=(VOCABULARY + 8, WIDTH))),
              "model.safetensors", "output matrix"),
    "SA318": (set_tensors(lambda t: [t.pop(name) for name in list(t) if t[name].ndim == 2 and "embed" not in name]),
              "model.safetensors", "parameters"),
    "SA319": (set_config(layer_types=["full_attention"] * (BLOCKS - 1)), "config.json", "layer_types"),
    "SA320": (set_config(quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True}),
              "config.json", "quantization_config"),
    "SA401": (write("model.safetensors", b"\xff" * 8 + b"{}"), "model.safetensors", ""),
    "SA402": (lambda folder: (folder / "model.safetensors").write_bytes(
              (folder / "model.safetensors").read_bytes()[:-1]) and None, "model.safetensors", ""),
    "SA403": (moved("model.norm.weight", -4, -4), "model.safetensors", ""),
    "SA404": (moved("lm_head.weight", 4, 4), "model.safetensors", ""),
    "SA405": (twice, "model.safetensors", ""),
    "SA406": (set_header(lambda h: h["model.norm.weight"].update(dtype="F33")), "model.safetensors", ""),
    "SA407": (write("generation_config.json", "{"), "generation_config.json", ""),
    "SA409": (unreadable, "model-extra.json", ""),
    "SA410": (linked, "README.md", ""),
    "SA411": (remove("config.json"), "config.json", ""),
    "SA412": (lambda folder: set_config(scale=float("inf"))(folder), "config.json", ""),
    "SA501": (poisoned(GATE, float("nan")), "model.safetensors", GATE),
    "SA502": (poisoned(GATE, float("-inf")), "model.safetensors", GATE),
    "SA503": (poisoned(GATE, 0.0, FEED_FORWARD * WIDTH), "model.safetensors", GATE),
    "SA504": (poisoned(GATE, 0.5, FEED_FORWARD * WIDTH), "model.safetensors", GATE),
    "SA505": (poisoned("model.embed_tokens.weight", 0.0, 2 * WIDTH), "model.safetensors", "model.embed_tokens.weight"),
    "SA506": (poisoned(GATE, 2e38), "model.safetensors", GATE),
    "SA601": (with_vocabulary(VOCABULARY - 64), "tokenizer.json", "vocab"),
    "SA602": (set_config(eos_token_id=VOCABULARY), "config.json", "eos_token_id"),
    "SA603": (other_end_of_text, "generation_config.json", "eos_token_id"),
    "SA604": (set_config(rope_scaling={"rope_type": "linear", "factor": 2.0, "original_max_position_embeddings": 16}),
              "config.json", "max_position_embeddings"),
    "SA605": (remove("tokenizer.json", "tokenizer_config.json"), "config.json", "tokenizer"),
    "SA606": (write("generation_config.json", '{"do_sample": false, "temperature": 0.7}'),
              "generation_config.json", "do_sample"),
    "SA701": (write("pytorch_model.bin", b"\x80"), "pytorch_model.bin", ""),
    "SA702": (set_config(auto_map={"AutoModelForCausalLM": "modeling.Mine"}), "config.json", "auto_map"),
    "SA703": (adapter, "adapter_config.json", ""),
    "SA704": (lambda folder: (folder / "consolidated.safetensors").write_bytes(
              (folder / "model.safetensors").read_bytes()) and None, "consolidated.safetensors", ""),
    "SA705": (remove("model.safetensors"), "config.json", "weights"),
    "SA706": (write("adapter_config.json", '{"base_model_name_or_path": "org/base"}'), "adapter_config.json", ""),
    "SA707": (write("notes.md", b"cposix\nsystem\n(S'id'\ntR."), "notes.md", ""),
    "SA708": (write("model.ptl", torchscript()), "model.ptl", ""),
    "SA709": (write("model.h5", b"\x89HDF" + b'{"class_name": "Lambda"}'), "model.h5", ""),
    "SA710": (custom_generate, "custom_generate/generate.py", ""),
    "SA711": (set_config(attn_implementation="flash_attention_2"), "config.json", "attn_implementation"),
    "SA712": (write("model.onnx", onnx("../weights")), "model.onnx", ""),
    "SA713": (write("data.bin", b"7z\xbc\xaf\x27\x1c"), "data.bin", ""),
}  # fmt: skip
ELSEWHERE = {"SA313": "test_deep.py", "SA408": "test_hub.py", "SA801": "below", "SA802": "below", "SA803": "below"}
"""Rules that need more than a spoiled folder: tested there, with their clean twin."""


def rules_found(folder: Path, **changes: Any) -> dict[str, list[shape_audit.CheckReport]]:
    report = shape_audit.check(str(folder), **(EVERYTHING | changes))
    found: dict[str, Any] = {}
    for finding in report.findings:
        found.setdefault(finding.rule, []).append(finding)
    return found


@pytest.mark.parametrize(("file", "rule"), [("model.safetensors", "SA401"), ("tokenizer.json", "SA407")])
def test_a_file_that_git_lfs_did_not_fetch_is_to_be_fetched(file: str, rule: str, tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    (folder / file).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n")
    ((found,),) = rules_found(folder).values()
    assert found.rule == rule and "git lfs pull" in found.fix and "again" not in found.fix


def test_every_rule_has_a_case() -> None:
    assert {*CASES, *ELSEWHERE} == set(RULES)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clean(tmp_path_factory.mktemp("clean") / "model")


def test_the_clean_twin_has_no_findings(clean: Path, tmp_path: Path) -> None:
    assert rules_found(clean) == {}
    write_clean(tmp_path / "sharded")
    write_sharded(tmp_path / "sharded")
    assert rules_found(tmp_path / "sharded") == {}


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_finds_its_fault_and_no_other_rule_does(rule: str, tmp_path: Path) -> None:
    spoil, file, place = CASES[rule]
    folder = write_clean(tmp_path / "model")
    spoil(folder)
    found = rules_found(folder)
    assert list(found) == [rule], {other: [one.message for one in seen] for other, seen in found.items()}
    first = found[rule][0]
    assert (first.file, first.place) == (file, place)
    assert first.message and first.fix and len(first.fingerprint) == 16


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, shape_audit.AuditRecord]:
    folder = save_tiny(tmp_path_factory.mktemp("models") / "tiny", "llama")
    return folder, shape_audit.audit(str(folder), windows=16, seq_len=16, device="cpu")


def test_a_record_is_judged_by_the_policys_bounds(
    measured: tuple[Path, shape_audit.AuditRecord], tmp_path: Path
) -> None:
    folder, record = measured
    path = write_record(record, tmp_path)
    for bounds, expected in (((0.0, 1.0), 0), ((0.999, 1.0), 3)):
        report = shape_audit.check(str(folder), record=path, select=("SA8",), policy=Policy(aofe_ratio=bounds))
        assert report.rules_run == ["SA801", "SA802", "SA803"]
        assert [finding.rule for finding in report.findings] == ["SA802"] * expected
    assert {finding.place for finding in report.findings} == {"embedding", "block.0", "block.1"}
    assert all(finding.severity == "error" and " to 1" in finding.message for finding in report.findings)


def test_depth_and_width_are_judged_by_the_policys_bounds(
    measured: tuple[Path, shape_audit.AuditRecord], tmp_path: Path
) -> None:
    used = shape_audit.audit(str(measured[0]), windows=16, seq_len=16, device="cpu", use=True, skip=True)
    assert used.use is not None and used.use.functional_share is not None and used.use.summary is not None
    share, cheap = used.use.functional_share, len(used.use.summary.cheap_blocks)
    path = write_record(used, tmp_path)
    for policy, places in (
        (Policy(functional_share=share - 0.01, cheap_blocks=cheap), set()),
        (Policy(functional_share=share + 0.01, cheap_blocks=cheap), {"width"}),
        (Policy(cheap_blocks=cheap - 0.5), {"depth"} if cheap else set()),
    ):
        report = shape_audit.check(str(measured[0]), record=path, select=("SA803",), policy=policy)
        assert {finding.place for finding in report.findings} == places


@pytest.mark.parametrize("windows", [16, 4])
def test_a_bound_that_cannot_be_judged_is_said(
    measured: tuple[Path, shape_audit.AuditRecord], windows: int, tmp_path: Path
) -> None:
    """Neither width nor blocks are in a plain record, and 4 windows give no interval; without one nothing is."""
    folder, record = measured
    if windows == 4:
        record = shape_audit.audit(str(folder), windows=4, seq_len=16, device="cpu")
    policy = Policy(aofe_ratio=(0.999, 1.0), functional_share=0.9, cheap_blocks=0)
    report = shape_audit.check(str(folder), record=write_record(record, tmp_path), policy=policy)
    assert {"SA801", "SA802"} - {*report.rules_run} == ({"SA802"} if windows == 4 else set())
    reason = report.rules_not_run["SA803"]
    assert reason.startswith("--record: ") and "--use" in reason and "--skip" in reason and not report.accepted
    assert ("--record: " in report.rules_not_run.get("SA802", "")) == (windows == 4)
    plain = shape_audit.check(str(folder), policy=policy)
    assert plain.rules_not_run["SA801"] == "--measure"
    assert plain.rules_not_run["SA802"] == "--measure: needed to judge the policy's aofe-ratio"


@pytest.mark.parametrize(
    ("policy", "rule"),
    [
        (Policy(shape_cost=0.001), "SA101"),
        (Policy(interval=Interval(name="ours", low=0.1, high=0.2, source="test")), "SA101"),
        (Policy(feed_forward_ratio=(3, 4)), "SA104"),
    ],
)
def test_a_bound_on_the_shape_of_what_has_none_is_not_judged(policy: Policy, rule: str, tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    remove("model.safetensors")(folder)
    report = shape_audit.check(str(folder), policy=policy)
    assert report.rules_not_run[rule].startswith("policy: the ") and rule not in report.rules_run
    assert rule not in shape_audit.check(str(folder)).rules_not_run


def test_a_record_of_another_model_is_refused(
    measured: tuple[Path, shape_audit.AuditRecord], clean: Path, tmp_path: Path
) -> None:
    path = write_record(measured[1], tmp_path)
    with pytest.raises(shape_audit.IncompleteError, match=r"a record of tiny at .*; audit it again"):
        shape_audit.check(str(clean), record=path)
    shape_only = sealed(measured[1].model_copy(update={"interaction": None, "loss": None, "calibration": None}))
    with pytest.raises(shape_audit.IncompleteError, match="shape-only record"):
        shape_audit.check(str(measured[0]), record=write_record(shape_only, tmp_path))


def test_a_measured_check_reports_gradients_that_are_not_finite(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    folder = save_tiny(tmp_path / "tiny", "llama")
    clean = shape_audit.check(str(folder), measure=True, select=("SA8",))
    assert clean.findings == []
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"][0, 0] = torch.inf
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (finding,) = shape_audit.check(str(folder), measure=True, select=("SA8",)).findings
    assert finding.rule == "SA801" and "from site block.1 on" in finding.message


def test_many_findings_of_one_kind_are_counted(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    poisoned(GATE, float("nan"))(folder)
    report = shape_audit.check(str(folder), select=("SA501",), weights=True)
    (one,) = report.findings
    many = report.model_copy(update={"findings": [one.model_copy(update={"place": f"{i}"}) for i in range(39)]})
    commands = [line for line in str(formatted(many, "github", anchor="x")).splitlines() if line.startswith("::")]
    assert len(commands) == 21 and "::and 19 more of the same kind" in commands[-1]


def test_what_many_tensors_have_is_one_finding(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_tensors(lambda t: [t[name].reshape(-1).__setitem__(0, np.nan) for name in t])(folder)
    (found,) = rules_found(folder)["SA501"]
    assert found.message.startswith("all 39 tensors: 39 of ") and "the first bad one at 0 of " in found.message


def test_what_was_not_asked_for_is_not_among_the_rules_run(clean: Path) -> None:
    run = shape_audit.check(str(clean)).rules_run
    assert not any(rule.startswith(("SA5", "SA8")) or rule in ("SA313", "SA408") for rule in run)
    assert shape_audit.check(str(clean), select=("SA3", "SA401"), ignore=("SA31", "SA320")).rules_run == [
        *(f"SA30{i}" for i in range(1, 10)), "SA401"]  # fmt: skip
    with pytest.raises(shape_audit.UsageError, match="no rule is called SA99"):
        shape_audit.check(str(clean), select=("SA99",))
    with pytest.raises(shape_audit.UsageError, match="those selected need --weights"):
        shape_audit.check(str(clean), select=("SA5",))
    with pytest.raises(shape_audit.UsageError, match=r"no rule is left to run$"):
        shape_audit.check(str(clean), ignore=("SA",))
    assert shape_audit.check(str(clean)).rules_not_run == {
        **dict.fromkeys(("SA313",), "--deep"), "SA408": "--verify-hashes",
        **{f"SA50{i}": "--weights" for i in range(1, 7)}, "SA801": "--measure", "SA802": "--measure",
        "SA803": "--measure"}  # fmt: skip


def test_a_bound_of_the_policy_on_the_cost(clean: Path) -> None:
    """The clean model's shape costs .47 % [.35, .62]: nothing by itself."""
    assert not shape_audit.check(str(clean)).findings
    for bound, severity in ((0.004, "warning"), (0.003, "error")):
        (finding,) = shape_audit.check(str(clean), policy=Policy(shape_cost=bound)).findings
        assert (finding.rule, finding.severity, finding.place) == ("SA101", severity, "shape_cost")
        assert "R_D/W = 0.0625 costs 0.47 %" in finding.message and f"more than {100 * bound:g} %" in finding.message
    assert not shape_audit.check(str(clean), policy=Policy(shape_cost=0.005)).findings


def test_a_cost_is_written_as_in_an_audit(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    deeper(3)(folder)
    (cost, *_) = shape_audit.audit(str(folder), shape_only=True).shape_cost or ()
    (finding,) = shape_audit.check(str(folder)).findings
    assert f"costs {with_interval(cost)} of loss" in finding.message and with_interval(cost).startswith("1.0 % [")


def test_outside_an_interval_of_the_policy_is_a_warning(clean: Path) -> None:
    interval = Interval(name="ours", low=0.1, high=0.2, source="test")
    (finding,) = shape_audit.check(str(clean), policy=Policy(interval=interval)).findings
    assert finding.severity == "warning" and "R_D/W = 4 / 64 = 0.0625, shallow-wide" in finding.message


def test_real_stories_model_is_judged_as_its_makers_would_expect(materials: Path) -> None:
    """tiny-stories-260k: 172 = 8/3 * 64 rounded to a multiple of 4, not of 8. Its depth costs less than 1 %."""
    report = shape_audit.check(str(materials / "tiny-stories-260k"), deep=True, weights=True)
    assert [finding.rule for finding in report.findings] == ["SA202", "SA206"]
    assert not report.failing


@pytest.mark.parametrize(
    "rope",
    [{"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 8192},
     {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768},
     {"type": "longrope", "original_max_position_embeddings": 4096},
     {"full_attention": {"rope_type": "linear", "factor": 8.0}}],
)  # fmt: skip
def test_rope_settings_of_real_models_are_no_fault(rope: dict[str, Any], tmp_path: Path) -> None:
    """Llama-3.1, Qwen2.5, Phi-3, Gemma-3."""
    folder = write_clean(tmp_path / "model")
    set_config(rope_scaling=rope, max_position_embeddings=131072)(folder)
    assert rules_found(folder) == {}


def test_options_and_changes_are_either_or(clean: Path) -> None:
    with pytest.raises(shape_audit.UsageError, match="options or single options"):
        shape_audit.check(str(clean), CheckOptions(), deep=True)
    with pytest.raises(shape_audit.UsageError, match="no option deap; did you mean deep"):
        shape_audit.check(str(clean), deap=True)


@contextmanager
def not_root() -> Iterator[None]:
    """Root may read everything; somebody else may not."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def test_a_file_without_read_permission() -> None:
    with TemporaryDirectory() as place:
        folder = write_clean(Path(place) / "model")
        assert rules_found(folder, weights=False) == {}  # modules are imported now, which somebody else might not read
        (folder / "model.safetensors").chmod(0)
        Path(place).chmod(0o755)
        with not_root():
            assert list(rules_found(folder, weights=False)) == ["SA409"]
