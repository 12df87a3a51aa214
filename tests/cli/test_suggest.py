"""`shape-audit suggest` as a user runs it: forms, the config it writes, wrong usage in one line."""

import json
import re
from pathlib import Path

import jsonschema
import pytest

import shape_audit
from shape_audit.cli import main
from shape_audit.errors import ExitCode
from shape_audit.records import ShapeSuggestion
from shape_audit.shape import families
from tests.conftest import Program


@pytest.fixture(autouse=True)
def _own_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def outcome(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = main(["suggest", *(str(argument) for argument in arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_report_says_what_the_order_means(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = outcome(capsys, "--params", "1.2B")
    text = " ".join(out.split())
    assert code == 0 and err == ""
    assert text.startswith(
        "26 llama shapes of 1.20B total parameters (±3 %), compared at equal total parameters; R_D/W"
    )
    assert "within [0.0038, 0.1055] (costs at most 1 % of loss at equal non-embedding parameters, by gemstones)" in text
    assert "Ranked by loss at equal total parameters and training tokens; the costs of the first " in text
    assert "in order of training time, fastest first." in text and "Keep in mind: one run per" in text
    assert "loss, equal time (100B tokens)" in text
    row = next(line for line in out.splitlines() if line.startswith("1 "))
    assert row.split()[1:5] == ["35", "×", "1,664", "0.0210"] and row.endswith("+0.4 %")
    model = next(line for line in out.splitlines() if line.startswith("allenai/OLMo-1B-hf"))
    assert "within 1 %" in model and max(map(len, out.splitlines())) <= 100
    assert "shape 1: 26 heads do not split into 4 or 8 equal parts" in text and "21 more: --top 26" in text


def test_json_is_the_record_and_fits_its_schema(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = outcome(capsys, "--params", "30m", "--vocab", "512", "-f", "json", "--top", "2")
    assert code == 0
    assert ShapeSuggestion.model_validate_json(out) == shape_audit.suggest("30m", vocab_size=512, top=2)
    assert main(["schema", "suggest"]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(out), schema)


def test_markdown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text('{"low": 0.01, "high": 0.03, "name": "<b>|mine|</b>", "source": "here"}')
    arguments = ("--params", "100M", "--interval", "own.json", "-f", "markdown", "-o", tmp_path / "report.md")
    code, out, err = outcome(capsys, *arguments)
    text = (tmp_path / "report.md").read_text()
    assert code == 0 and out == err == "" and text.startswith("# ") and text.endswith("\n")
    assert "<b>" not in text and "the interval comes from here" in text and "MMLU" not in text
    rows = [line for line in text.splitlines() if line.startswith("| 1 |")]
    assert len(rows) == 2 and rows[0].count("|") == text.split("| miss |")[0].splitlines()[-1].count("|") + 2


def test_options_reach_the_search(capsys: pytest.CaptureFixture[str]) -> None:
    given = ("--params", "1e8", "--non-embedding", "--family", "qwen3", "--head-dim", "128", "--untied",
             "--vocab", "1000", "--tolerance", "0.05", "-f", "json")  # fmt: skip
    code, out, _ = outcome(capsys, *given)
    found = json.loads(out)
    assert code == 0 and found["counted"] == "non-embedding" and found["tolerance"] == 0.05
    assert (
        found["shapes"]
        == shape_audit.suggest(
            1e8, non_embedding=True, family="qwen3", head_dim=128, tied=False, vocab_size=1000, tolerance=0.05
        ).model_dump(mode="json")["shapes"]
    )
    shape = found["shapes"][0]["shape"]
    assert shape["head_dim"] == 128 and shape["vocab_size"] == 1024 and shape["tie_word_embeddings"] is False
    assert abs(shape["params_non_embedding"] / 1e8 - 1) <= 0.05


def test_the_config_of_the_chosen_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = outcome(capsys, "--params", "60m", "--vocab", "512", "--write-config", "first", "-f", "json")
    shapes = json.loads(out)["shapes"]
    assert code == 0 and err == "config of shape 1: first/config.json\n"
    assert json.loads((tmp_path / "first" / "config.json").read_text()) == shapes[0]["config"]
    code, out, err = outcome(capsys, "--params", "60m", "--vocab", "512", "--write-config", "a/b", "--choose", "2")
    assert code == 0 and json.loads((tmp_path / "a" / "b" / "config.json").read_text()) == shapes[1]["config"]
    code, out, err = outcome(capsys, "--params", "60m", "--vocab", "512", "--write-config", "first")
    assert code == ExitCode.WRONG_USAGE and out == "" and "first/config.json: exists already" in err
    assert main(["check", "first"]) == ExitCode.FINDINGS  # that there are no weights yet
    assert re.findall(r"SA\d{3}", capsys.readouterr().out.partition("\nfailed with")[0]) == ["SA705", "SA206"]


@pytest.mark.parametrize(
    ("params", "line"),
    [
        ("2m", "The shipped table has no base model within a factor of 1.5 of this size."),
        ("30m", "The one base model of the shipped table within a factor of 1.5 of this size lies within 1 %: "),
        ("8B", "of this size, 61 lie within 1 %: R_D/W 0.0026 to 0.0146"),
    ],
)  # fmt: skip
def test_what_is_said_of_existing_models(capsys: pytest.CaptureFixture[str], params: str, line: str) -> None:
    code, out, _ = outcome(capsys, "--params", params, "--vocab", "512")
    assert code == 0 and line in " ".join(out.split())


def test_every_family_is_named_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = outcome(capsys, "--help")
    shown = " ".join(out.split())
    *some, last = families()
    assert code == 0 and f"{', '.join(some)} or {last}" in shown


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        ((), 4, "Missing option '--params'"),
        (("--params", "0"), 4, "--params 0: it must be at least 1"),
        (("--params", "-1"), 4, "--params -1: it must be a number"),
        (("--params", "nan"), 4, "--params nan: it must be a number"),
        (("--params", "12 B"), 4, "--params 12 B: it must be a number"),
        (("--params", "1e30"), 4, "the nearest: 3437 layers × 32,576"),
        (("--params", "10"), 4, "lower --vocab"),
        (("--params", "1B", "--vocab", "0"), 4, "--vocab must be between"),
        (("--params", "1B", "--vocab", "1000000000"), 4, "--vocab must be between"),
        (("--params", "1B", "--vocab", "1e9"), 4, "'--vocab'"),
        (("--params", "1B", "--head-dim", "7"), 4, "--head-dim must be"),
        (("--params", "1B", "--family", "lama"), 4, "did you mean llama?"),
        (("--params", "1B", "--top", "0"), 4, "--top must be between 1"),
        (("--params", "1B", "--tolerance", "nan"), 4, "--tolerance must be a number"),
        (("--params", "1B", "--choose", "1"), 4, "--choose says which config to write: it needs --write-config"),
        (("--params", "1B", "--write-config", "new", "--choose", "9", "--top", "3"), 4, "there are shapes 1 to 3"),
        (("--params", "1B", "--write-config", "new", "--choose", "0"), 4, "--choose 0"),
        (("--params", "1B", "--interval", "gone.json"), 2, "gone.json: No such file"),
        (("--params", "1B", "--interval", "text.json"), 2, "not a JSON file"),
        (("--params", "1B", "--interval", "inside-out.json"), 4, "the interval is empty"),
        (("--params", "1B", "--interval", "nothing.json"), 4, "neither low nor high"),
        (("--params", "1B", "-o", "gone/report"), 2, "no such folder"),
        (("--params", "1B", "-o", "."), 2, "could not be written"),
        (("--params", "1B", "--write-config", "text.json/x"), 2, "could not be written"),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...], code: int, line: str
) -> None:
    (tmp_path / "text.json").write_text("low: 1")
    (tmp_path / "inside-out.json").write_text('{"low": 0.06, "high": 0.02}')
    (tmp_path / "nothing.json").write_text("{}")
    found, out, err = outcome(capsys, *arguments)
    assert found == code and out == "", err
    assert err.count("\n") == 1 and err.startswith("shape-audit: ") and line in err, err
    assert not (tmp_path / "new").exists()


def test_settings_and_environment(program: Program, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.shape-audit.suggest]\nfamily = "gpt2"\nparams = "30m"\nvocab = 512\n'
    )
    done = program("--config", "pyproject.toml", "suggest", "-f", "json", SHAPE_AUDIT_SUGGEST_TOP="1")
    found = json.loads(done.stdout)
    assert done.returncode == 0 and found["family"] == "gpt2" and len(found["shapes"]) == 1 < found["found"]
