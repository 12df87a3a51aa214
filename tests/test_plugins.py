"""Rules, protocols and score sources of other packages: the one in tests/plugin_example, and packages at fault."""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import shape_audit
from shape_audit.checks import all_rules
from shape_audit.errors import IncompleteError
from tests.conftest import Program

EXAMPLE = Path(__file__).parent / "plugin_example"
FEW = ("--windows", "4", "--seq-len", "16", "-f", "json")


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with the example installed, for PYTHONPATH."""
    for tool in ("pip", "setuptools"):  # looked for, not imported: setuptools puts itself in the place of distutils
        if find_spec(tool) is None:
            pytest.skip(f"{tool} is not installed: the example cannot be built")
    source = shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("source") / "acme")
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(folder), str(source)], check=True, capture_output=True, timeout=120)
    return str(folder)


def test_a_rule_of_another_package_is_one_of_the_rules(acme: str, program: Program, tiny_llama: Path) -> None:
    done = program("check", tiny_llama, "--select", "ACME", "--fail-on", "warning", "-f", "json", PYTHONPATH=acme)
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    (finding,) = report["findings"]
    assert report["rules_run"] == ["ACME001"] and (finding["rule"], finding["severity"]) == ("ACME001", "warning")
    assert finding["message"].startswith("vocab_size is ") and finding["fix"] == "Train with the shared tokenizer."
    both = program("check", tiny_llama, PYTHONPATH=acme)
    assert both.returncode == 0 and "ACME001" in both.stdout
    for form, part in (("sarif", '"name": "SmallVocabulary"'), ("junit", 'classname="shape-audit.ACME"')):
        assert part in program("check", tiny_llama, "--select", "ACME", "-f", form, PYTHONPATH=acme).stdout
    assert "ACME001" in program("rules", PYTHONPATH=acme).stdout
    assert "one tokenizer for all models" in program("explain", "small-vocabulary", PYTHONPATH=acme).stdout
    assert "no rule is called ACME" in program("check", tiny_llama, "--select", "ACME").stderr


def test_a_policy_knows_it(acme: str, program: Program, tiny_llama: Path, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('[severity]\nACME001 = "error"\n')
    done = program("check", tiny_llama, "--policy", "policy.toml", PYTHONPATH=acme)
    assert done.returncode == 1 and "ACME001" in done.stdout
    assert "unknown ACME001" in program("check", tiny_llama, "--policy", "policy.toml").stderr


def test_a_protocol_of_another_package_measures(acme: str, program: Program, tiny_llama: Path) -> None:
    done = program("audit", tiny_llama, "--protocol", "acme-entropy", *FEW, PYTHONPATH=acme)
    assert done.returncode == 0, done.stderr
    ours = shape_audit.audit(str(tiny_llama), windows=4, seq_len=16).model_dump(mode="json")
    theirs = json.loads(done.stdout)
    assert theirs["interaction"]["protocol"] == "acme-entropy" and theirs["interaction"]["parameters"] == {"version": 1}
    assert theirs["interaction"]["protocol_hash"] != ours["interaction"]["protocol_hash"]
    assert [site["name"] for site in theirs["interaction"]["sites"]] == [
        site["name"] for site in ours["interaction"]["sites"]
    ]
    assert all(site["trace"] > 0 for site in theirs["interaction"]["sites"]) and theirs["loss"] == ours["loss"]
    assert [score["source"] for score in theirs["scores"]] == ["ACME's wiki"] and not ours["scores"]
    unknown = program("audit", tiny_llama, "--protocol", "acme", PYTHONPATH=acme)
    assert unknown.returncode == 4 and unknown.stderr.count("\n") == 1
    assert "loss-gradient, output-gradient, projected-output, input-simplex, acme-entropy, not acme" in unknown.stderr


def test_a_score_source_of_another_package_is_asked(acme: str, program: Program, tiny_llama: Path) -> None:
    done = program("scores", tiny_llama, "-f", "json", PYTHONPATH=acme)
    assert done.returncode == 0 and "ACME's wiki" in done.stdout, done.stderr


def installed(folder: Path, name: str, module: str, entries: dict[str, str]) -> Path:
    """A package as an installer leaves it: its module, and metadata with its entry points ("group name" -> object)."""
    metadata = folder / f"{name.replace('-', '_')}-0.1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
    points = [f"[shape_audit.{key.split()[0]}]\n{key.split()[1]} = {value}\n" for key, value in entries.items()]
    (metadata / "entry_points.txt").write_text("\n".join(points))
    (folder / f"{name.replace('-', '_')}.py").write_text(module)
    return folder


RULE = """
from shape_audit.checks import Rule, Seen
def look(model, policy):
    "Nothing."
    {body}
RULES = [Rule("{id}", "{name}", "error", "headers", why="", fix="", look=look)]
"""
PROTOCOL = """
class Mine:
    name = "mine"
    attn_implementation = None
    parameters = {{}}
    def widths(self, sites, shape):
        return dict.fromkeys(sites, shape.hidden_size)
    def add_micro_batch(self, model, blocks, batch, sums):
        {body}
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`install(name, module, entries)` installs a package for this process, for as long as the test runs."""
    names = []

    def into_this_process(name: str, module: str, entries: dict[str, str]) -> None:
        names.append(name.replace("-", "_"))
        monkeypatch.syspath_prepend(installed(tmp_path / name, name, module, entries))

    all_rules.cache_clear()
    yield into_this_process
    all_rules.cache_clear()
    for name in names:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("module", "prefix", "said"),
    [
        ("import gone", "BAD", "cannot be loaded (ModuleNotFoundError: No module named 'gone')"),
        ("raise SystemExit(0)", "BAD", "cannot be loaded (SystemExit: 0)"),
        ("", "BAD", "cannot be loaded (AttributeError"),
        ("RULES = 7", "BAD", "must name a checks.Rule or a list of them"),
        (RULE.format(id="SA999", name="x", body="return []"), "BAD", "its ids are BAD and three digits"),
        (RULE.format(id="SA999", name="x", body="return []"), "SA", "not SA..."),
        (RULE.format(id="SAX001", name="x", body="return []"), "SAX", "not SA..."),
        (RULE.format(id="BAD001", name="missing-tensor", body="return []"), "BAD", "one of that id or name"),
        (RULE.format(id="BAD001", name="x", body="return 1 / 0"), "BAD", "BAD001 that fails on"),
        (RULE.format(id="BAD001", name="x", body="return open('/gone')"), "BAD", "(FileNotFoundError"),
        (RULE.format(id="BAD001", name="x", body="return ['text']"), "BAD", "sees what is no checks.Seen"),
    ],
)
def test_a_package_whose_rules_cannot_be_used_is_named(
    module: str, prefix: str, said: str, install: Any, tiny_llama: Path
) -> None:
    install("bad-rules", module, {f"rules {prefix}": "bad_rules:RULES"})
    with pytest.raises(IncompleteError) as caught:
        shape_audit.check(str(tiny_llama))
    assert "bad-rules 0.1" in str(caught.value) and said in str(caught.value) and "\n" not in str(caught.value)


def test_what_needs_none_of_them_looks_for_none(program: Program, tiny_llama: Path, tmp_path: Path) -> None:
    entries = {f"{group} loss-gradient": "bad:gone" for group in ("rules", "protocols", "score_sources")}
    folder = installed(tmp_path / "bad", "bad", "raise SystemExit(7)", entries)
    done = program("audit", tiny_llama, "--shape-only", PYTHONPATH=str(folder))
    assert done.returncode == 0 and "bad" not in done.stderr, done.stderr


def test_two_packages_of_one_prefix_are_named(install: Any) -> None:
    module = RULE.format(id="TWO001", name="two", body="return []")
    for name in ("one-rules", "other-rules"):
        install(name, module, {"rules TWO": f"{name.replace('-', '_')}:RULES"})
    with pytest.raises(IncompleteError, match=r"other-rules 0\.1 \(entry point TWO .* a name of one-rules 0\.1 too"):
        all_rules()


@pytest.mark.parametrize(
    ("name", "module", "said"),
    [
        ("mine", PROTOCOL.format(body="raise KeyError('x')"), "fails on LlamaForCausalLM (KeyError: 'x')"),
        ("mine", PROTOCOL.format(body="return None"), "does not give one loss a window"),
        ("mine", PROTOCOL.format(body="pass").replace("= {}", "= {'x': None}"), "has parameters that are no numbers"),
        (
            "mine",
            PROTOCOL.format(body="pass").replace("dict.fromkeys(sites", "dict.fromkeys('x'"),
            "no interaction.Site",
        ),
        ("mine", "Mine = 7", "cannot be made without arguments (TypeError"),
        ("other", PROTOCOL.format(body="pass"), "must name an interaction.MeasurementProtocol of the same name"),
        ("loss-gradient", PROTOCOL.format(body="pass"), "uses a name of shape-audit's own"),
    ],
)
def test_a_package_whose_protocol_cannot_be_used_is_named(
    name: str, module: str, said: str, install: Any, tiny_llama: Path
) -> None:
    install("bad-protocol", module, {f"protocols {name}": "bad_protocol:Mine"})
    with pytest.raises(IncompleteError) as caught:
        shape_audit.audit(str(tiny_llama), protocol=name, windows=2, seq_len=16)
    assert "bad-protocol 0.1" in str(caught.value) and said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("raise ValueError('no table')", 2, "(ValueError: no table)"),
        ("return ['.25']", 2, "gives what is no records.ScoreRecord"),
        ("raise ConnectionResetError", 0, "bad (bad-scores 0.1): the Hub could not be reached"),
    ],
)
def test_a_score_source_at_fault_is_named(
    body: str, code: int, said: str, program: Program, tiny_llama: Path, tmp_path: Path
) -> None:
    module = f"def scores(model, revision):\n    {body}\n"
    folder = installed(tmp_path / "bad", "bad-scores", module, {"score_sources bad": "bad_scores:scores"})
    done = program("scores", tiny_llama, PYTHONPATH=str(folder))
    everything = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == code and "bad-scores 0.1" in everything and said in everything


def test_such_a_line_is_all_that_a_command_says(program: Program, tiny_llama: Path, tmp_path: Path) -> None:
    folder = installed(tmp_path / "bad", "bad-rules", "import gone", {"rules BAD": "bad_rules:RULES"})
    for command in (("check", tiny_llama), ("rules",)):
        done = program(*command, PYTHONPATH=str(folder))
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and not done.stdout, done.stderr
