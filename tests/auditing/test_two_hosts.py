"""One model on two machines: two processes that share an address and nothing on disk, started by no launcher."""

import json
import os
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import shape_audit
from shape_audit.records import AuditRecord
from tests.findings import findings
from tests.moments import Stopped, stopping_at
from tests.processes import LONG, ends_with_parent

AUDIT = ("audit", "model", "--windows", "40", "--seq-len", "16", "--micro-batch", "2", "--save-every", "8",
         "--device", "cpu", "--records", "records", "-f", "json")  # fmt: skip


class Hosts:
    """Two machines, each with a home, a folder for temporary files, its copy of the model and its own records."""

    def __init__(self, folder: Path, model: Path, environment: dict[str, str]) -> None:
        self.folders = [folder / "host0", folder / "host1"]
        self._environment = environment
        for host in self.folders:
            shutil.copytree(model, host / "model")
            (host / "tmp").mkdir()

    def start(self, *arguments: str) -> list[dict[str, Any]]:
        """What a process on each of them is started with."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "shape_audit", *arguments]
        return [
            {"command": command, "cwd": host, "environment": self._of(rank, port)}
            for rank, host in enumerate(self.folders)
        ]

    def _of(self, rank: int, port: int) -> dict[str, str]:
        host = self.folders[rank]
        ranks = {"RANK": rank, "LOCAL_RANK": 0, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        own = {"HF_HOME": host / "hf_home", "TMPDIR": host / "tmp", "OMP_NUM_THREADS": 1}
        return self._environment | {name: str(value) for name, value in {**ranks, **own}.items()}

    def run(self, *arguments: str) -> list[subprocess.CompletedProcess[str]]:
        """What came of it on each of them."""
        started = [
            subprocess.Popen(how["command"], cwd=how["cwd"], env=how["environment"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, preexec_fn=ends_with_parent)
            for how in self.start(*arguments)
        ]  # fmt: skip
        said = [process.communicate(timeout=LONG) for process in started]
        return [
            subprocess.CompletedProcess(process.args, process.returncode, *both)
            for process, both in zip(started, said, strict=True)
        ]


@pytest.fixture
def hosts(tiny_llama: Path, tmp_path: Path, clean_environment: dict[str, str]) -> Hosts:
    environment = clean_environment | {"PYTHONPATH": os.getcwd()}
    return Hosts(tmp_path, tiny_llama, environment)


def record_of(done: list[subprocess.CompletedProcess[str]]) -> AuditRecord:
    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    assert done[1].stdout == ""
    return AuditRecord.model_validate_json(done[0].stdout)


def test_a_host_is_lost_and_both_go_on_to_the_same_record_bit_for_bit(hosts: Hosts, tmp_path: Path) -> None:
    first, second = hosts.start(*AUDIT)
    with ExitStack() as running:
        for name in ("moments0", "moments1"):
            (tmp_path / name).mkdir()
        at = running.enter_context

        def start(how: dict[str, Any], moments: list[str], name: str) -> Stopped:
            return at(stopping_at(moments, how["command"], tmp_path / name, how["environment"], cwd=how["cwd"]))

        other = start(second, ["os.rename state.32"], "moments1")
        speaker = start(first, [], "moments0")
        assert other.next_moment() is not None
        other.process.kill()
        said = speaker.process.communicate(timeout=LONG)
    assert speaker.process.returncode == 2 and "lost contact with another process of this run" in said[1], said
    assert list((hosts.folders[0] / "records" / "partial").glob("*/state.safetensors"))
    assert list((hosts.folders[1] / "records" / "partial").glob("*/state.24.1.safetensors"))
    assert not list((hosts.folders[1] / "records").glob("*.json"))
    resumed = record_of(hosts.run(*AUDIT))
    straight = record_of(hosts.run(*AUDIT, "--no-resume"))
    assert findings(resumed) == findings(straight) and resumed.environment.world_size == 2
    assert len(list((hosts.folders[0] / "records").glob("*.json"))) == 1
    assert not list((hosts.folders[1] / "records").glob("*.json"))
    alone = shape_audit.audit(hosts.folders[0] / "model", windows=40, seq_len=16, micro_batch=2, device="cpu")
    assert alone.interaction is not None and straight.interaction is not None
    for site, expected in zip(straight.interaction.sites, alone.interaction.sites, strict=True):
        assert site.aofe_ratio_plugin == pytest.approx(expected.aofe_ratio_plugin, rel=1e-6)


def test_each_host_ends_with_its_own_exit_code(hosts: Hosts) -> None:
    for host in hosts.folders:
        (host / "model" / "config.json").write_text(json.dumps({"model_type": "t5", "architectures": ["T5Model"]}))
    done = hosts.run(*AUDIT)
    assert [one.returncode for one in done] == [3, 3], [one.stderr for one in done]
