"""One model on two machines: two processes that share an address and nothing on disk, started by no launcher."""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

import shape_audit
from shape_audit.records import AuditRecord
from tests.conftest import Program
from tests.findings import findings
from tests.forked import Forked
from tests.moments import Stopped, stopping_at
from tests.processes import LONG

AUDIT = ("audit", "model", "--windows", "40", "--seq-len", "16", "--micro-batch", "2", "--save-every", "8",
         "--device", "cpu", "--records", "records", "-f", "json")  # fmt: skip


class Hosts:
    """Two machines, each with a home, a folder for temporary files, its copy of the model and its own records."""

    def __init__(self, folder: Path, model: Path, program: Program, stack: ExitStack) -> None:
        self.folders = [folder / "host0", folder / "host1"]
        self._program, self._stack = program, stack
        for host in self.folders:
            shutil.copytree(model, host / "model")
            (host / "tmp").mkdir()

    def start(self, *arguments: str, stops: Mapping[int, str] | None = None) -> list[Stopped]:
        """A process on each of them; the one of a rank stops at a moment."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        return [self._start(rank, port, arguments, (stops or {}).get(rank)) for rank in range(2)]

    def _start(self, rank: int, port: int, arguments: Sequence[str], stop: str | None) -> Stopped:
        host = self.folders[rank]
        ranks = {"RANK": rank, "LOCAL_RANK": 0, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        own = {"HF_HOME": host / "hf_home", "TMPDIR": host / "tmp", "OMP_NUM_THREADS": 1}
        environment = {name: str(value) for name, value in {**ranks, **own}.items()}

        def started(hooks: Mapping[str, str]) -> Forked:
            return self._program.start(*arguments, folder=host, hooks=hooks, **environment)

        return self._stack.enter_context(stopping_at([stop] if stop else [], host, started))

    def run(self, *arguments: str) -> list[subprocess.CompletedProcess[str]]:
        """What came of it on each of them."""
        return [outcome(host) for host in self.start(*arguments)]


def outcome(host: Stopped) -> subprocess.CompletedProcess[str]:
    said = host.process.communicate(timeout=LONG)
    return subprocess.CompletedProcess(host.process.args, host.process.wait(), *said)


@pytest.fixture
def hosts(tiny_llama: Path, tmp_path: Path, program: Program) -> Iterator[Hosts]:
    with ExitStack() as stack:
        yield Hosts(tmp_path, tiny_llama, program, stack)


def record_of(done: list[subprocess.CompletedProcess[str]]) -> AuditRecord:
    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    assert done[1].stdout == ""
    return AuditRecord.model_validate_json(done[0].stdout)


@pytest.mark.long
def test_a_host_is_lost_and_both_go_on_to_the_same_record_bit_for_bit(hosts: Hosts) -> None:
    speaker, other = hosts.start(*AUDIT, stops={1: "os.rename state.32"})
    assert other.next_moment() is not None
    other.process.kill()
    said = outcome(speaker)
    assert said.returncode == 2 and "lost contact with another process of this run" in said.stderr, said
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
