"""Kind 3: no code of a repository runs, no kernel of the Hub is fetched, no adapter is put on top, whoever says y."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import datasets
import pytest

import shape_audit
from shape_audit.errors import NotAuditableError
from tests.conftest import Program
from tests.scores.questions import write_questions

OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
ANSWER = "y\n" * 20
"""What `yes | shape-audit ...` gives to whoever asks whether code may be run."""
TINY = {"windows": 8, "seq_len": 16, "device": "cpu"}


def changed(folder: Path, file: str, **values: object) -> None:
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**content, **values}))


def marking(mark: Path, rest: str = "") -> str:
    """Code that leaves a mark where it is run."""
    return f"open({str(mark)!r}, 'a').write('ran')\n{rest}"


@pytest.fixture
def model(tiny_llama: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_llama, tmp_path / "model")


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "mark"


@pytest.fixture
def with_code(model: Path, mark: Path) -> Path:
    """A model whose config and tokenizer name code that lies beside them, and whose folder holds more of it."""
    auto_map = {"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M", "AutoTokenizer": ["evil.T", "evil.T"]}
    changed(model, "config.json", auto_map=auto_map)
    changed(model, "tokenizer_config.json", tokenizer_class="Unheard", auto_map=auto_map)
    code = "from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast\n"
    code += "class C(LlamaConfig): pass\nclass M(LlamaForCausalLM): pass\n"
    (model / "evil.py").write_text(marking(mark, code + "class T(PreTrainedTokenizerFast): pass\n"))
    (model / "custom_generate").mkdir()
    (model / "custom_generate" / "generate.py").write_text(marking(mark, "def generate(**_): pass\n"))
    return model


@pytest.mark.parametrize(
    "arguments",
    [
        (3, "score", "--limit", "1", "--questions", "TIGER-Lab/MMLU-Pro"),
        (3, "audit", "--windows", "2", "--seq-len", "16"),
        (0, "check", "--deep"),
    ],
    ids=lambda arguments: arguments[1],
)
def test_a_y_on_stdin_runs_nothing(
    with_code: Path, mark: Path, tmp_path: Path, program: Program, arguments: tuple[int, str]
) -> None:
    write_questions(tmp_path)
    expected, command, *options = arguments
    done = program(command, with_code, *options, stdin=ANSWER, **OFFLINE)
    assert not mark.exists(), done.stderr
    assert done.returncode == expected and "Do you wish to run the custom code" not in done.stdout


@pytest.mark.long
def test_the_same_y_does_run_code_where_nobody_says_no(
    with_code: Path, mark: Path, tmp_path: Path, clean_environment: dict[str, str]
) -> None:
    script = f"from transformers import AutoTokenizer; AutoTokenizer.from_pretrained({str(with_code)!r})"
    subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=clean_environment | OFFLINE, input=ANSWER, text=True,
        capture_output=True,
    )  # fmt: skip
    assert mark.exists(), "else the test above shows nothing"


def fake_kernels(folder: Path, mark: Path) -> Path:
    """A package named kernels, as users may have it, that leaves a mark where a kernel is fetched."""
    (folder / "kernels" / "layer").mkdir(parents=True)
    code = f"""
class _Anything:
    def __init__(self, *a, **k): pass
    def __or__(self, other): return self
    TRAINING = INFERENCE = TORCH_COMPILE = None
def __getattr__(name):
    if name.startswith("__"): raise AttributeError(name)
    return _Anything
def _as_it_is(*a, **k): return lambda what: what
use_kernel_forward_from_hub = use_kernelized_func = _as_it_is
def get_kernel(name, *a, **k):
    open({str(mark)!r}, "a").write(name + "\\n")
    raise RuntimeError("fetched " + name)
__version__ = "0.18.2"
"""
    (folder / "kernels" / "__init__.py").write_text(code)
    (folder / "kernels" / "layer" / "__init__.py").write_text("")
    (folder / "kernels" / "layer" / "mode.py").write_text("class Mode: TRAINING = INFERENCE = None\n")
    information = folder / "kernels-0.18.2.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: kernels\nVersion: 0.18.2\n")
    return folder


SPELLINGS: list[dict[str, object]] = [
    {"attn_implementation": "flash_attention_2"},
    {"_attn_implementation": "flash_attention_2"},
    {"_attn_implementation_internal": "flash_attention_3"},
    {"attn_implementation": {"": "flash_attention_2"}},
    {"attn_implementation": "paged|flash_attention_2"},
    {"attn_implementation": "flex_attention"},
    {"experts_implementation": "sonicmoe"},
    {"use_kernels": True, "kernel_config": {"kernel_mapping": {"RMSNorm": "kernels-community/x:RMSNorm"}}},
]
NAMED: list[dict[str, object]] = [
    {"attn_implementation": "kernels-community/flash-attn2"},
    {"_attn_implementation": "someone/kernel@main:attend"},
    {"attn_implementation": {"": "sdpa", "text_config": "someone/kernel"}},
    {"text_config": {"vision": [{"_attn_implementation": "someone/kernel"}]}},
]


def test_no_kernel_is_fetched_whatever_the_config_spells(
    model: Path, mark: Path, tmp_path: Path, clean_environment: dict[str, str]
) -> None:
    environment = clean_environment | {"PYTHONPATH": str(fake_kernels(tmp_path / "packages", mark))} | OFFLINE
    script = tmp_path / "spell.py"
    script.write_text(f"""
import json, sys, traceback
from pathlib import Path
import shape_audit
from transformers import AutoModelForCausalLM
from transformers.utils import is_kernels_available
assert is_kernels_available()
folder, spellings, mark = Path({str(model)!r}), json.loads(sys.stdin.read()), Path({str(mark)!r})
config = json.loads((folder / "config.json").read_text())
for number, spelling in enumerate(spellings):
    (folder / "config.json").write_text(json.dumps(config | spelling))
    shape_audit.check(str(folder), deep=True, select=("SA3",))
    if number in (0, 6):
        record = shape_audit.audit(str(folder), windows=2, seq_len=16, device="cpu")
        assert record.interaction and any("which is not run" in note for note in record.notes), record.notes
    else:
        from shape_audit.loader import config_in, model_in, model_of
        model_in(folder), model_of(config_in(folder))
    assert not mark.exists(), spelling
(folder / "config.json").write_text(json.dumps(config | spellings[0]))
try:
    AutoModelForCausalLM.from_pretrained(folder)
except Exception:
    pass
assert mark.exists(), "else nothing was shown"
""")
    done = subprocess.run(
        [sys.executable, script], env=environment, input=json.dumps(SPELLINGS), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("spelling", NAMED, ids=str)
def test_code_of_a_named_repository_is_refused(model: Path, spelling: dict[str, object]) -> None:
    changed(model, "config.json", **spelling)
    with pytest.raises(NotAuditableError, match=r"asks for code of a repository \(\w+.*\), which is not run"):
        shape_audit.audit(str(model), **TINY)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft's use of it
def test_an_adapter_beside_the_weights_changes_nothing(model: Path) -> None:
    peft = pytest.importorskip("peft")
    import torch
    from transformers import AutoModelForCausalLM

    before = shape_audit.audit(str(model), **TINY)
    inner = AutoModelForCausalLM.from_pretrained(model)
    plain = inner.model.layers[0].self_attn.q_proj.weight.detach().clone()
    adapted = peft.get_peft_model(inner, peft.LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights=False))
    adapted.peft_config["default"].base_model_name_or_path = str(model)
    adapted.save_pretrained(model)
    after = shape_audit.audit(str(model), **TINY)
    assert before.interaction is not None and after.interaction is not None
    assert after.interaction.sites == before.interaction.sites
    assert any("the model without that adapter" in note for note in after.notes)
    assert shape_audit.check(str(model), select=("SA706",)).findings[0].file == "adapter_config.json"
    theirs = AutoModelForCausalLM.from_pretrained(model)
    assert any("lora" in name for name, _ in theirs.named_parameters()), "else nothing was shown"
    assert torch.equal(plain, theirs.model.layers[0].self_attn.q_proj.base_layer.weight)


def test_scores_are_of_the_model_without_its_adapter(
    model: Path, tmp_path: Path, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("peft")
    write_questions(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (model / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": "org/x"}))
    done = program("score", model, "--questions", "TIGER-Lab/MMLU-Pro", "--results", "runs", "-f", "json", **OFFLINE)
    assert done.returncode == 0, done.stderr


def test_a_view_holds_links_to_what_is_meant_and_is_removed(model: Path, tmp_path: Path) -> None:
    from shape_audit.loader import model_in

    changed(model, "config.json", attn_implementation="org/kernel")
    for name in ("adapter_config.json", "shard-00000-model-00001-of-00001.safetensors", "evil.py"):
        (model / name).write_text("{}")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    before, os.environ["TMPDIR"] = os.environ.get("TMPDIR"), str(temporary)
    import tempfile

    tempfile.tempdir = None
    try:
        loaded, _ = model_in(model)
        (view,) = temporary.iterdir()
        assert {file.name for file in view.iterdir()} <= {"config.json", "model.safetensors", "generation_config.json"}
        assert "org/kernel" not in (view / "config.json").read_text()
        del loaded
        assert not list(temporary.iterdir())
    finally:
        os.environ.pop("TMPDIR")
        if before is not None:
            os.environ["TMPDIR"] = before
        tempfile.tempdir = None
