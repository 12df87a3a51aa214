"""A whole sweep: killed and gone on with, read by the other commands, refused where it would mix things up."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

import shape_audit
from shape_audit.cli import main
from shape_audit.errors import CorruptFileError, IncompleteError, UsageError
from shape_audit.interval import derive_interval
from shape_audit.records import IntervalDerivation, SweepRow, read_record
from shape_audit.sweep import SilentSweep
from tests.conftest import Program
from tests.moments import stopping_at

FEW = {
    "params": "24k", "depths": "1,2,3", "data": "builtin:python-docs", "seq_len": 32, "batch": 8, "windows": 16,
    "tokens_per_param": 0.75, "eval_bytes": 4000, "tolerance": 0.1,
}  # fmt: skip
"""Three shapes of 71 steps each."""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """As the processes have that these tests start: sums of more threads are rounded otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def flags(options: dict[str, object]) -> list[str]:
    return [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def kill(program: Program, options: dict[str, object], output: Path, moments: list[str]) -> None:
    """Run a sweep that saves its trainings often, and kill it at the last of these moments."""
    words = ("sweep", "run", *flags(options), "--output", str(output), "--save-seconds", "0")
    settings = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    output.parent.mkdir(exist_ok=True)
    with stopping_at(moments, output.parent, lambda hooks: program.start(*words, hooks=hooks, **settings)) as run:
        for _ in moments[:-1]:
            assert run.next_moment(), run.process.communicate()
            run.go_on()
        assert run.next_moment(), run.process.communicate()


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the sweep that nobody interrupted."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    output = tmp_path_factory.mktemp("my sweeps") / "straight"
    shape_audit.run_sweep(**FEW, output=output)
    torch.set_num_threads(before)
    return output


class FirstStep(SilentSweep):
    """Remembers the first step that a training reports."""

    first: int | None = None

    def training(self, step: int, steps: int, tokens_per_second: float, loss: float) -> None:
        if self.first is None:
            self.first = step


def only_half_written(states: Path) -> bool:
    """Whether nothing is left of trainings but what the kill cut short, which is swept an hour later."""
    return all(path.name.startswith(".") and path.suffix == ".tmp" for path in states.iterdir())


def lines(folder: Path) -> list[dict[str, str]]:
    with (folder / "table.csv").open() as stream:
        return [{k: v for k, v in line.items() if k != "train_seconds"} for line in csv.DictReader(stream)]


def test_killed_and_gone_on_with_it_is_the_same(straight: Path, program: Program, tmp_path: Path) -> None:
    """SIGKILL while the second model trains: weights, table and measurements come out equal bit for bit."""
    output = tmp_path / "killed"
    kill(program, FEW, output, ["os.rename .p24000-l2-"] * 3)
    assert len(lines(output)) == 1
    progress = FirstStep()
    rows = shape_audit.run_sweep(**FEW, output=output, progress=progress)
    assert progress.first is not None and progress.first > 10, "it began where the killed one had saved"
    assert [row.num_hidden_layers for row in rows] == [1, 2, 3] and rows[1].steps == 71
    assert lines(output) == lines(straight)
    for model in (straight / "models").iterdir():
        killed = output / "models" / model.name / "model.safetensors"
        assert killed.read_bytes() == (model / "model.safetensors").read_bytes()
    assert only_half_written(output / "states")


LENGTHS = FEW | {"depths": "2", "tokens_per_param": "0.25,0.75"}


def test_several_lengths_are_one_table(tmp_path: Path) -> None:
    rows = shape_audit.run_sweep(**LENGTHS, output=tmp_path)
    assert [(row.tokens_per_param, row.steps) for row in rows] == [(0.25, 24), (0.75, 71)]
    more = shape_audit.run_sweep(**(LENGTHS | {"tokens_per_param": [0.25, 0.5]}), output=tmp_path)
    assert [(row.tokens_per_param, row.steps) for row in more] == [(0.25, 24), (0.5, 47)] and len(lines(tmp_path)) == 3
    with pytest.raises(UsageError, match=r"--tokens-per-param was several for the models there, is 0\.75"):
        shape_audit.run_sweep(**(LENGTHS | {"tokens_per_param": 0.75}), output=tmp_path)


@pytest.mark.long
def test_several_lengths_killed_in_a_decay_are_the_same(program: Program, tmp_path: Path) -> None:
    """SIGKILL while the second length decays: it goes on from its own state or the trunk's, to the same bits."""
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    shape_audit.run_sweep(**LENGTHS, output=straight)
    kill(program, LENGTHS, killed, ["os.rename -t0.75.safetensors"] * 2)
    progress = FirstStep()
    rows = shape_audit.run_sweep(**LENGTHS, output=killed, progress=progress)
    assert progress.first is not None and progress.first > 55, "71 steps, of which the last 14 decay"
    assert [row.steps for row in rows] == [24, 71] and lines(killed) == lines(straight)
    for model in (straight / "models").iterdir():
        again = killed / "models" / model.name / "model.safetensors"
        assert again.read_bytes() == (model / "model.safetensors").read_bytes()
    assert only_half_written(killed / "states")


def test_a_finished_sweep_is_not_done_again(straight: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (straight / "models").rglob("*")}
    rows = shape_audit.run_sweep(**FEW, output=str(straight))
    assert len(rows) == 3
    assert len(shape_audit.run_sweep(**(FEW | {"depths": "2"}), output=straight)) == 1
    assert before == {path: path.stat().st_mtime_ns for path in (straight / "models").rglob("*")}


def test_a_sweep_grows_in_order_and_mends_its_test_text(straight: Path, tmp_path: Path) -> None:
    grown = tmp_path / "grown"
    shutil.copytree(straight, grown)
    (grown / "test.txt").write_text("Another text.")
    before = {path.name: path.stat().st_mtime_ns for path in (grown / "models").glob("*/*")}
    rows = shape_audit.run_sweep(**(FEW | {"depths": "1,2", "runs": 2}), output=grown)
    assert [(row.num_hidden_layers, row.seed) for row in rows] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert [line["seed"] for line in lines(grown)] == ["0", "1", "0", "1", "0"] and len(lines(straight)) == 3
    assert (grown / "test.txt").read_bytes() == (straight / "test.txt").read_bytes()
    old = {path.name: path.stat().st_mtime_ns for path in (grown / "models").glob("*-s0-*/*")}
    assert old == before


def test_a_model_folder_that_is_none_is_said_before_the_training(straight: Path, tmp_path: Path) -> None:
    (tmp_path / "models" / lines(straight)[0]["name"]).mkdir(parents=True)
    progress = FirstStep()
    with pytest.raises(IncompleteError, match=r"no training\.json in it; remove"):
        shape_audit.run_sweep(**FEW, output=tmp_path, progress=progress)
    assert progress.first is None


def test_a_test_text_that_no_audit_would_read_is_refused_before_the_training(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes("Käse und Brötchen. ".encode("latin-1") * 4000)
    with pytest.raises(CorruptFileError, match="its test text is not UTF-8"):
        shape_audit.run_sweep(**(FEW | {"data": str(tmp_path / "latin.txt")}), output=tmp_path / "sweep")
    assert not (tmp_path / "sweep").exists()


def test_precisions_are_not_mixed_in_a_table(straight: Path) -> None:
    """What counts is what `auto` has come to, which may differ between machines."""
    (was,) = {line["precision"] for line in lines(straight)}
    other = {"float32": "bfloat16", "bfloat16": "float32"}[was]
    with pytest.raises(UsageError, match=f"--precision was {was} for the models there, is {other}"):
        shape_audit.run_sweep(**(FEW | {"precision": other}), output=straight)
    assert len(shape_audit.run_sweep(**(FEW | {"precision": was}), output=straight)) == 3


def test_the_table_is_what_the_other_commands_read(straight: Path) -> None:
    assert derive_interval(straight / "table.csv").budgets[0].shapes == 3
    (first, *_) = lines(straight)
    assert tuple(first) == tuple(name for name in SweepRow.model_fields if name != "train_seconds")
    model = straight / "models" / first["name"]
    settings = {"dataset": str(straight / "test.txt"), "windows": 16, "seq_len": 32, "passage_bytes": 80}
    record = shape_audit.audit(str(model), **settings)
    assert record.model.revision == first["revision"] and record.shape.params_total == int(first["params"])
    assert record.interaction is not None
    assert record.interaction.sites[0].aofe_ratio == float(first["loss_gradient_embedding_aofe_ratio"])
    assert record.interaction.sites[-1].channel_alignment == float(first["loss_gradient_last_channel_alignment"])
    assert record.interaction.sites[0].aofe_ratio_excess == float(first["loss_gradient_embedding_aofe_ratio_excess"])
    projected = shape_audit.audit(str(model), **settings, protocol="projected-output")
    assert projected.interaction is not None
    assert projected.interaction.sites[0].aofe_ratio == float(first["projected_output_aofe_ratio"])
    records = [read_record(path) for path in (straight / "records").iterdir()]
    assert len(records) == 6 and len({r.interaction.protocol_hash for r in records if r.interaction}) == 4


def test_one_command_ends_in_an_interval_that_check_takes(straight: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "run", *flags(FEW), "--output", str(straight)]) == 0
    captured = capsys.readouterr()
    assert "Models" in captured.out and "nats/byte the cross-entropy of 3,968 bytes" in captured.out
    assert "interval of R_D/W" in captured.err
    assert "no bootstrap over seeds" in captured.err and f"table: {straight / 'table.csv'}" in captured.err
    assert f"check MODEL --interval '{straight / 'interval.json'}'" in captured.err  # as a shell takes it
    interval = straight / "interval.json"
    written = IntervalDerivation.model_validate_json(interval.read_text())
    assert written.min_params == 24_000 and written.source == (
        "sweep straight (3 runs of 3 shapes, 0.024M parameters, 0.75 bytes a parameter)"
    )
    drawn = {path.stem for path in (straight / "figures").glob("*.png")}
    assert {"loss_against_r_dw", "interaction_loss_gradient_last", "interaction_projected_output"} <= drawn
    # three losses of 71 steps need not bound anything: what is handed on here is this sweep's, with a made-up end
    interval.write_text(json.dumps(json.loads(interval.read_text()) | {"low": 0.9, "high": None, "is_empty": False}))
    assert main(["check", "builtin:bytes-1m", "--select", "SA1", "--interval", str(interval), "-f", "json"]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    report = shape_audit.check("builtin:bytes-1m", select=("SA1",), interval=interval)
    assert [finding.model_dump(mode="json") for finding in report.findings] == findings
    assert any(finding["rule"] == "SA101" and "sweep straight" in finding["message"] for finding in findings), findings


def test_a_folder_without_a_table_has_no_conclusion(tmp_path: Path) -> None:
    with pytest.raises(IncompleteError, match="no model has been finished"):
        shape_audit.conclude_sweep(tmp_path)


def test_the_embedding_of_the_table_is_that_of_the_weights(straight: Path) -> None:
    """E^T E by the formula of the authors' code, from the file itself."""
    first = lines(straight)[0]
    weights = load_file(straight / "models" / first["name"] / "model.safetensors")
    gram = (weights["model.embed_tokens.weight"].double().T @ weights["model.embed_tokens.weight"].double()) / 256
    ratio = 1 - float(gram.diagonal().square().sum() / gram.square().sum())
    assert float(first["wtw_aofe_ratio"]) == pytest.approx(ratio, rel=1e-5)  # products in float32


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"tokens_per_param": 2}, "--tokens-per-param was 0.75 for the models there, is 2"),
        ({"batch": 16}, "--batch was 8 for the models there, is 16"),
        ({"learning_rate": 1e-3}, "--learning-rate was not given for the models there, is 0.001"),
        ({"seq_len": 16}, "--seq-len was 32"),
        ({"seed": 1}, "--seed was 0"),
        ({"family": "gpt2"}, "--family was llama"),
    ],
)
def test_another_option_in_the_same_folder_is_refused(straight: Path, changes: dict[str, object], line: str) -> None:
    with pytest.raises(UsageError, match=line):
        shape_audit.run_sweep(**(FEW | changes), output=straight)


def test_another_text_in_the_same_folder_is_refused(straight: Path, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_bytes(b"Another text than before. " * 4000)
    with pytest.raises(UsageError, match="--data has another train text"):
        shape_audit.run_sweep(**(FEW | {"data": str(tmp_path / "other.txt")}), output=straight)


def test_two_runs_of_a_folder_do_not_meet(straight: Path) -> None:
    with FileLock(straight / "lock"), pytest.raises(IncompleteError, match="another run of the sweep in"):
        shape_audit.run_sweep(**FEW, output=straight)


def test_a_table_edited_by_hand_is_not_written_over(straight: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(straight, copy)
    content = (copy / "table.csv").read_text()
    for changed in (content.replace("test_ce", "loss"), content.replace(",24000,", ",many,")):
        (copy / "table.csv").write_text(changed)
        with pytest.raises(CorruptFileError):
            shape_audit.run_sweep(**FEW, output=copy)
        assert (copy / "table.csv").read_text() == changed


def test_the_command(capsys: pytest.CaptureFixture[str], straight: Path, tmp_path: Path) -> None:
    def outcome(*arguments: str) -> tuple[int, str, str]:
        code = main(["sweep", "run", *arguments])
        return code, *capsys.readouterr()

    few = flags(FEW)
    code, out, err = outcome(*few, "-o", str(straight), "-f", "json")
    assert code == 0 and len(json.loads(out)) == 3 and "table.csv" in err
    code, out, err = outcome(*few, "--plan")
    assert code == 0 and "1 × 32" in out and "3 × 24" in out and "about" in out
    for arguments, expected, line in (
        (few, 4, "--output: a sweep needs a folder"),
        ([*few, "--params", "no", "--plan"], 4, "--params no"),
        ([*few, "--windows", "9000", "-o", str(tmp_path / "x")], 2, "lower --windows or --seq-len"),
        ([*few, "--data", str(tmp_path / "gone"), "--plan"], 2, "no such file or folder"),
        ([*few, "-o", __file__], 2, "not a folder"),
        ([*few, "--num-processes", "0", "-o", str(tmp_path / "x")], 4, "--num-processes must be at least 1"),
    ):
        code, out, err = outcome(*arguments)
        assert code == expected and line in err and err.count("\n") == 1, (arguments, code, err)
    assert main(["sweep"]) == 4 and "run" in capsys.readouterr().err


def test_settings_of_a_command_in_a_group(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "pyproject.toml"
    monkeypatch.setenv("SHAPE_AUDIT_CONFIG", str(file))
    file.write_text('[tool.shape-audit.sweep.run]\nparams = "none"\ndepths = "1"\ndata = "x"\n')
    assert main(["sweep", "run", "--plan"]) == 4
    assert "--params none" in capsys.readouterr().err
    file.write_text('[tool.shape-audit.sweep.run]\nparam = "20k"\n')
    assert main(["sweep", "run", "--plan"]) == 4
    assert "[tool.shape-audit.sweep.run]: unknown key param; did you mean params" in capsys.readouterr().err
    file.write_text('[tool.shape-audit.sweep]\nparams = "20k"\n')
    assert main(["sweep", "run", "--plan"]) == 4
    assert "unknown key params; there are: run" in capsys.readouterr().err


@pytest.mark.long
def test_processes_started_by_the_command_share_a_sweep(tmp_path: Path) -> None:
    """A batch of 5 is 2 and 3 windows. Sums in another order: 1e-7 a step, which 25 steps of AdamW amplify."""
    short = FEW | {"depths": "1", "tokens_per_param": 0.2, "batch": 5, "precision": "float32"}
    (alone,) = shape_audit.run_sweep(**short, output=tmp_path / "one")
    command = [sys.executable, "-m", "shape_audit", "sweep", "run", *flags(short), "-o", str(tmp_path / "two")]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*command, "--num-processes", "2", "-f", "json"], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (row,) = json.loads(done.stdout)
    assert row["processes"] == 2 and done.stderr.count("table: ") == 1, done.stderr
    assert row["test_ce"] == pytest.approx(alone.test_ce, rel=1e-5)
    assert row["train_ce"] == pytest.approx(alone.train_ce, rel=1e-5)
    ratio = alone.loss_gradient_embedding_aofe_ratio
    assert row["loss_gradient_embedding_aofe_ratio"] == pytest.approx(ratio, rel=1e-3)
    one, two = (load_file(tmp_path / which / "models" / alone.name / "model.safetensors") for which in ("one", "two"))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-3, atol=1e-4)
