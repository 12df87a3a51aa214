"""Sweeps and runs of MMLU-Pro on a cluster leave the files of a serial run."""

from pathlib import Path

import pytest

pytest.importorskip("ray", reason="the extra cluster is not installed")
pytest.importorskip("lm_eval", reason="the extra eval is not installed")

import shape_audit
from shape_audit.cluster import ClusterOptions, scored
from shape_audit.records import read_record_folder
from shape_audit.scores import ScoreOptions, ScoreRun, score
from tests.cluster.test_audits_on_ray import CLUSTER, one_thread
from tests.findings import findings
from tests.scores.questions import write_questions
from tests.sweep.test_run import lines

FEW = {
    "params": "24k", "depths": "1,2", "data": "builtin:python-docs", "seq_len": 32, "batch": 8, "windows": 16,
    "tokens_per_param": "0.5,1", "eval_bytes": 4000, "tolerance": 0.1, "precision": "float32",
}  # fmt: skip
"""Two trunks, two lengths of each."""

pytestmark = pytest.mark.long  # a cluster takes a minute to start


def test_a_sweep_trains_the_same_models(connected: None, ray_address: str, tmp_path: Path) -> None:
    with one_thread():
        shape_audit.run_sweep(**FEW, output=tmp_path / "serial")
    rows = shape_audit.run_sweep(**FEW, output=tmp_path / "ray", ray_address=ray_address, **CLUSTER)
    assert len(rows) == 4 and lines(tmp_path / "ray") == lines(tmp_path / "serial")
    for model in (tmp_path / "serial" / "models").iterdir():
        same = tmp_path / "ray" / "models" / model.name
        assert (same / "model.safetensors").read_bytes() == (model / "model.safetensors").read_bytes()
    found = [
        {findings(record) for record in read_record_folder(tmp_path / name / "records")} for name in ("ray", "serial")
    ]
    assert found[0] == found[1] and len(found[0]) == 8
    assert not list((tmp_path / "ray" / "states").glob("*")), "they have served their purpose"
    assert shape_audit.run_sweep(**FEW, output=tmp_path / "ray", ray_address=ray_address, **CLUSTER) == rows


def test_scores_and_their_files_come_back(
    connected: None, tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_questions(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    how = {"questions": tmp_path / "TIGER-Lab" / "MMLU-Pro", "limit": 4, "device": "cpu"}
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "config.json").write_text("{}")
    options = ScoreOptions.of(results=tmp_path / "ray", **how)
    found = dict(scored([str(tiny_llama), str(tmp_path / "none")], options, ClusterOptions.of(**CLUSTER)))
    assert str(found[str(tmp_path / "none")]).startswith("none: there is no model.safetensors")
    run, alone = found[str(tiny_llama)], score(tiny_llama, results=tmp_path / "serial", **how)
    assert isinstance(run, ScoreRun) and alone is not None
    differing = {"date", "source"}
    assert run.record.model_dump(exclude=differing) == alone.record.model_dump(exclude=differing)
    assert run.results_file.is_file() and run.results_file.is_relative_to(tmp_path / "ray")
    assert len(list(run.results_file.parent.glob("samples_*.jsonl"))) == 1
