"""Kind 7: `check` sees what runs code by the bytes of every file, reads to a limit, and says what it left out."""

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import shape_audit
from shape_audit.checks.executables import scan
from shape_audit.checks.executables.pickle_imports import harm
from shape_audit.records import CheckReport, Finding
from tests.checks.checkpoints import write_clean
from tests.conftest import Program
from tests.loopback_hub import LoopbackHub
from tests.security.planted import HARMLESS, OTHERS, PICKLES, pickled, torch_saved, zipped

RULES = ("SA701", "SA702", "SA707", "SA708", "SA709", "SA71")
SEVEN_Z = b"7z\xbc\xaf\x27\x1c" + bytes(50)
DOUBTFUL = {"password-bit.zip", "other-local-name.zip"}
"""What a sound archive cannot be: it is looked at as it stands, and said to be."""


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clean(tmp_path_factory.mktemp("clean") / "model")


def planted(folder: Path, name: str, content: bytes) -> CheckReport:
    """The report on a model with one file more, which is taken away again."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    try:
        return shape_audit.check(str(folder), select=RULES)
    finally:
        file.unlink()


def of_rule(report: CheckReport, rule: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.rule == rule]


@pytest.mark.parametrize("name", PICKLES)
def test_a_pickle_that_runs_code_is_one_finding(name: str, clean: Path) -> None:
    report = planted(clean, name, PICKLES[name]())
    (finding,) = of_rule(report, "SA707")
    assert finding.file == name and finding.severity == "error" and report.failing
    assert "system" in finding.message
    others = {one.rule for one in report.findings} - {"SA707"}
    assert others == ({"SA713"} if name in DOUBTFUL else set())


@pytest.mark.parametrize("name", OTHERS)
def test_other_things_that_execute_are_one_finding_each(name: str, clean: Path) -> None:
    rule, words, content = OTHERS[name]
    (finding,) = planted(clean, name, content()).findings
    assert (finding.rule, finding.file) == (rule, name) and words in finding.message


@pytest.mark.parametrize("name", HARMLESS)
def test_what_only_looks_like_it_is_no_finding(name: str, clean: Path) -> None:
    assert planted(clean, name, HARMLESS[name]()).findings == []


def test_nothing_that_was_planted_has_run(clean: Path) -> None:
    planted(clean, "x.bin", PICKLES["protocol-4.pkl"]())
    assert not Path("/tmp/shape-audit-was-run").exists()


def test_ordinary_weights_are_a_warning_that_names_only_what_is_unknown(clean: Path) -> None:
    import torch

    stream = io.BytesIO()
    torch.save({"weight": torch.zeros(3), "parameter": torch.nn.Parameter(torch.ones(2))}, stream)
    (finding,) = planted(clean, "pytorch_model.bin", stream.getvalue()).findings
    assert (finding.rule, finding.severity) == ("SA701", "warning") and "imports" not in finding.message
    (finding,) = planted(clean, "fit.pkl", b"\x80\x04\x8c\x07sklearn\x94\x8c\x03SVC\x94\x93)R.").findings
    assert finding.rule == "SA701" and "which imports sklearn.SVC" in finding.message


@pytest.mark.parametrize(
    "file", ["tokenizer_config.json", "processor_config.json", "preprocessor_config.json", "config.json"]
)
def test_code_that_a_config_names(file: str, tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    content = json.loads((folder / file).read_text()) if (folder / file).exists() else {}
    (folder / file).write_text(json.dumps({**content, "auto_map": {"AutoTokenizer": ["a.B", None]}}))
    (finding,) = shape_audit.check(str(folder), select=RULES).findings
    assert (finding.rule, finding.file, finding.place) == ("SA702", file, "auto_map")


@pytest.mark.parametrize(
    ("imported", "known"),
    [
        (("os", "system"), "runs code"), (("os.path", "join"), "runs code"), (("torch", "os.system"), "runs code"),
        (("torch.serialization", "os.system"), "runs code"), (("builtins", "eval"), "runs code"),
        (("numpy", "f2py.crackfortran"), "runs code"), (("torch", "FloatStorage"), "harmless"),
        (("collections", "OrderedDict"), "harmless"), (("mylib.os_tools", "Thing"), "unknown"),
        (("sklearn.svm", "SVC"), "unknown"), (("torch", "load"), "runs code"),
        (("importlib", "import_module"), "runs code"),
    ],
)  # fmt: skip
def test_what_is_known_of_an_import(imported: tuple[str, str], known: str) -> None:
    assert harm(imported) == known


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.7z", lambda: SEVEN_Z, "a 7z archive"),
        ("a.rar", lambda: b"Rar!\x1a\x07\x01\x00" + bytes(50), "a RAR archive"),
        ("a.zst", lambda: b"\x28\xb5\x2f\xfd" + bytes(50), "packed with Zstandard"),
        ("skipped", lambda: b"\x53\x2a\x4d\x18\1\0\0\0x\x28\xb5\x2f\xfd" + bytes(50), "Zstandard or LZ4"),
        ("a.lz4", lambda: b"\x04\x22\x4d\x18" + bytes(50), "packed with LZ4"),
        ("a.lz", lambda: b"LZIP\1" + bytes(50), "packed with lzip"),
        ("a.Z", lambda: b"\x1f\x9d\x90" + bytes(50), "packed with compress"),
        ("a.cab", lambda: b"MSCF" + bytes(50), "a cabinet"),
        ("a.zip", lambda: zipped({"b/c.7z": SEVEN_Z}), "b/c.7z: a 7z archive"),
        ("large.zip", lambda: zipped({"raw": bytes(2**24 + 1), "z.7z": SEVEN_Z}, zipfile.ZIP_STORED), "z.7z: a 7z"),
        ("cut.zip", lambda: zipped({"a": b"b" * 999})[:60], "it cannot be read"),
    ],
)
def test_what_was_not_looked_into_is_a_warning(
    name: str, content: Callable[[], bytes], words: str, clean: Path
) -> None:
    """As a pickle is: who refuses pickles (--fail-on warning) refuses what may hide one."""
    (finding,) = planted(clean, name, content()).findings
    assert (finding.rule, finding.severity, finding.file) == ("SA713", "warning", name) and words in finding.message


def test_the_rest_of_a_large_file_of_numbers_is_a_note(clean: Path) -> None:
    (finding,) = planted(clean, "large.dat", bytes(2**24 + 1)).findings
    assert (finding.rule, finding.severity) == ("SA713", "note")
    assert "beyond its first 16,777,216 bytes" in finding.message


@pytest.mark.parametrize(
    "content", [pickle.dumps(["x" * 50, "y"])[:-20], b"\x80\x04N" + b"\x94" * 1_100_000 + b"."], ids=["cut", "long"]
)
def test_a_pickle_without_an_end_is_said_to_be_one(content: bytes, clean: Path) -> None:
    is_one, is_left = planted(clean, "state", content).findings
    assert is_one.rule == "SA701" and is_left.rule == "SA713"
    assert "could not be followed to its end" in is_left.message


def test_archives_that_grow_are_read_to_a_limit(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = zipped({f"{number}": bytes(2**20) for number in range(40)})
    nested = bomb
    for _ in range(8):
        nested = zipped({"x": nested, "y": nested})
    monkeypatch.setattr(scan, "TOTAL", 2**23)
    (clean / "z.pkl").write_bytes(pickled())
    try:
        for content in (bomb, nested):
            hidden, left = planted(clean, "bomb.zip", content).findings
            assert (hidden.rule, hidden.file) == ("SA707", "z.pkl"), "what comes after a bomb is looked at too"
            assert left.rule == "SA713" and ("limit of bytes" in left.message or "too deep" in left.message)
    finally:
        (clean / "z.pkl").unlink()


def test_time_has_an_end_too(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "SECONDS", -1.0)
    report = planted(clean, "x.bin", pickled())
    assert any("limit of time" in finding.message for finding in of_rule(report, "SA713"))


def test_links_and_pipes_are_not_followed(clean: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.pkl").write_bytes(pickled())
    os.symlink(tmp_path / "elsewhere", clean / "linked")
    os.mkfifo(clean / "pipe.bin")
    try:
        assert shape_audit.check(str(clean), select=("SA701", "SA707", "SA713")).findings == []
    finally:
        (clean / "linked").unlink()
        (clean / "pipe.bin").unlink()


def test_a_hub_repository_is_read_in_parts(hub: LoopbackHub, program: Program, tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    (folder / "sub").mkdir()
    (folder / "sub" / "state.json").write_bytes(pickled(0))
    (folder / "large.bin").write_bytes(
        zipped({"0": bytes(8 * 2**20), "data": torch_saved(is_zip=True)}, zipfile.ZIP_STORED)
    )
    hub.add_model("org/name", folder)
    done = program("check", "org/name", "--select", "SA7", "-f", "json", HF_ENDPOINT=hub.endpoint)
    assert done.returncode == 1, done.stderr
    found = {(one["rule"], one["file"]) for one in json.loads(done.stdout)["findings"]}
    assert found == {("SA707", "sub/state.json"), ("SA707", "large.bin")}
    assert not [request for request in hub.log if request.path.endswith("large.bin") and request.status == 200]
    offline = program(
        "check", "org/name", "--select", "SA7", "-f", "json", HF_ENDPOINT=hub.endpoint, HF_HUB_OFFLINE="1"
    )
    assert offline.returncode == 0, offline.stderr
