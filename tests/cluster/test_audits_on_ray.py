"""Audits on a cluster end in the records of a serial run, bit for bit but for the environment, whatever dies."""

import math
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

pytest.importorskip("ray", reason="the extra cluster is not installed")

import shape_audit
from shape_audit.auditing import AuditOptions
from shape_audit.cluster import ClusterOptions, RayEngine, SilentCluster
from shape_audit.leaderboard import BuildOptions, Manifest, build_leaderboard, read_board, read_manifest
from shape_audit.records import AuditRecord, read_record_folder
from tests.cluster.stand_ins import KilledOnce
from tests.findings import findings
from tests.moments import fresh, stopping_at

BUILTIN = ("bytes-1m", "books-300k", "zoo-300k-1x144", "zoo-300k-2x104", "zoo-300k-4x80", "zoo-300k-8x56",
           "zoo-300k-12x48", "zoo-300k-16x40")  # fmt: skip
MEASURED = {"windows": 4, "seq_len": 16}
CLUSTER = {"engine": "ray", "task_cpus": 1}

pytestmark = pytest.mark.long  # a cluster takes a minute to start


def manifest_text(models: list[str]) -> str:
    names = ", ".join(f'"{model}"' for model in models)
    return (
        f"[[models]]\nnames = [{names}]\n[measure]\nwindows = {MEASURED['windows']}\nseq_len = {MEASURED['seq_len']}\n"
    )


def manifest_of(models: list[str], folder: Path) -> Manifest:
    (folder / "m.toml").write_text(manifest_text(models))
    return read_manifest(folder / "m.toml")


def found_in(folder: Path) -> dict[str, str]:
    """Model -> what its records say, without their environment."""
    return {record.model.repo_id: findings(record) for record in read_record_folder(folder / "records")}


@contextmanager
def one_thread() -> Iterator[None]:
    """As many as a worker has of one CPU: other numbers of threads add up in another order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def serial(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The board of all built-in models and one that is poisoned, built by this process alone."""
    folder = tmp_path_factory.mktemp("serial")
    shutil.copytree(tiny_llama, folder / "poisoned")
    weights = load_file(folder / "poisoned" / "model.safetensors")
    weights["model.norm.weight"].fill_(math.nan)
    save_file(weights, folder / "poisoned" / "model.safetensors", metadata={"format": "pt"})
    models = [f"builtin:{name}" for name in BUILTIN] + [str(folder / "poisoned")]
    with one_thread():
        build_leaderboard(manifest_of(models, folder), folder / "board", measure=True)
    return folder


def test_eight_models_and_a_poisoned_one_are_as_in_a_serial_build(
    connected: None, ray_address: str, serial: Path, tmp_path: Path
) -> None:
    manifest = read_manifest(serial / "m.toml")
    options = BuildOptions.of(measure=True, ray_address=ray_address, **CLUSTER)
    board = build_leaderboard(manifest, tmp_path / "board", options)
    assert found_in(tmp_path / "board") == found_in(serial / "board") and len(found_in(tmp_path / "board")) == 9
    expected = {row.model: row.failure for row in read_board(serial / "board").rows}
    assert board is not None and {row.model: row.failure for row in board.rows} == expected
    assert [model for model, failure in expected.items() if failure] == ["poisoned"]
    kept = {row.model: row.record_sha256 for row in board.rows if row.measured}
    again = build_leaderboard(manifest, tmp_path / "board", options)
    assert again is not None and {row.model: row.record_sha256 for row in again.rows if row.measured} == kept


def test_an_audit_whose_worker_is_killed_goes_on_from_its_partial_sums(
    connected: None, tiny_llama: Path, tmp_path: Path
) -> None:
    how = {"windows": 40, "seq_len": 16, "passage_bytes": 64, "micro_batch": 4, "save_every": 4, "use": True}
    partial = tmp_path / "partial"
    partial.mkdir()
    task = KilledOnce(str(tiny_llama), AuditOptions.of(partial=partial, **how))
    engine = RayEngine(ClusterOptions.of(**CLUSTER), ship_seconds=0.05)
    (finished,) = engine.run([task], 1, SilentCluster())
    assert finished.error is None and (partial / "resumed").read_text() == "state.safetensors"
    record = AuditRecord.model_validate_json(finished.answer.value)
    with one_thread():
        assert findings(record) == findings(shape_audit.audit(tiny_llama, **how))


def command(address: str, output: Path, manifest: Path) -> list[str]:
    words = ["leaderboard", "build", manifest, "-o", output, "--measure", "--engine", "ray", "--ray-address", address]
    return [sys.executable, "-m", "shape_audit", *map(str, words), "--task-cpus", "1"]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_driver_that_ends_leaves_what_is_done_and_the_next_one_goes_on(
    connected: None,
    ray_address: str,
    serial: Path,
    tmp_path: Path,
    clean_environment: dict[str, str],
    end: signal.Signals,
) -> None:
    """It is killed, or interrupted, when it is about to write its second record."""
    manifest = manifest_of([f"builtin:{name}" for name in BUILTIN[:3]], tmp_path)
    how = command(ray_address, tmp_path / "board", tmp_path / "m.toml")
    moments = ["os.rename records/.", "os.rename records/."]
    with stopping_at(moments, tmp_path, fresh(how, clean_environment)) as stopped:
        assert stopped.next_moment() is not None
        stopped.go_on()
        assert stopped.next_moment() is not None
        os.kill(stopped.process.pid, end)
        stopped.go_on()
        said = stopped.process.communicate()
        assert stopped.process.returncode == (130 if end == signal.SIGINT else -end), said
    assert len(found_in(tmp_path / "board")) == 1
    build_leaderboard(manifest, tmp_path / "board", measure=True, ray_address=ray_address, **CLUSTER)
    expected = found_in(serial / "board")
    found = found_in(tmp_path / "board")
    assert len(found) == 3 and found == {model: expected[model] for model in found}
