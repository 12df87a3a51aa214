"""Kinds 2 and 6 in datasets: what `datasets` and lm-eval download is counted, and no dataset names other files."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from shape_audit.hub import watched_session
from tests.conftest import Program
from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.faults import Fault, Honest, Slow
from tests.loopback_hub.response import Response
from tests.loopback_hub.server import Incoming
from tests.scores.questions import write_questions
from tests.security.hostile_hub import ChangedInfo, Endless, Packed

Read = Callable[..., dict[str, Any]]
ROWS = "".join(json.dumps({"text": f"row {number}"}) + "\n" for number in range(100)).encode()
XET = "/xet-read-token"


@pytest.fixture(scope="module")
def shared_hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        yield hub


@pytest.fixture(scope="module")
def reader(shared_hub: LoopbackHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Read]:
    """Asks `dataset_reader`, in a process of its own, whose import of datasets is paid for once."""
    home = tmp_path_factory.mktemp("reader") / "home"
    environment = os.environ | {
        "HF_ENDPOINT": shared_hub.endpoint, "HF_HOME": str(home), "HF_HUB_DOWNLOAD_TIMEOUT": "3",
        "HF_HUB_DISABLE_XET": "0",
    }  # fmt: skip
    command = [sys.executable, "-m", "tests.security.dataset_reader"]
    root = Path(__file__).resolve().parents[2]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, cwd=root, **pipes) as process:

        def read(name: str, column: str = "text", seconds: float = 10.0) -> dict[str, Any]:
            process.stdin.write(json.dumps({"name": name, "column": column, "seconds": seconds}) + "\n")
            process.stdin.flush()
            answer: dict[str, Any] = json.loads(process.stdout.readline())
            return answer

        yield read
        process.stdin.close()


@pytest.fixture
def hub(shared_hub: LoopbackHub, tmp_path: Path) -> Iterator[LoopbackHub]:
    """It holds org/text and the benchmark."""
    shared_hub.add_dataset("org/text", {"test.jsonl": ROWS})
    shared_hub.add_dataset("TIGER-Lab/MMLU-Pro", write_questions(tmp_path))
    shared_hub.clear_log()
    yield shared_hub
    shared_hub.clear_faults()


@dataclass(frozen=True)
class OfXet(Fault):
    """Files are said to lie in Xet's storage, whose address another request would tell."""

    def answer(self, incoming: Incoming, honest: Honest) -> Response:
        response = honest(incoming)
        added = {"X-Xet-Hash": "0" * 64, "X-Xet-Refresh-Route": f"http://{incoming.headers['Host']}{XET}"}
        return replace(response, headers={**response.headers, **added})


def with_xet(listed: Any) -> Any:
    is_list = isinstance(listed, list)  # else a refusal
    return [{**entry, "xetHash": "0" * 64} for entry in listed] if is_list else listed


CASES: dict[str, tuple[Fault, str, str]] = {
    "endless data": (Endless(), "GET /resolve/", "more than was announced"),
    "packed data": (Packed(), "GET /resolve/", "more than was announced"),
    "oddly packed data": (Packed("br"), "GET /resolve/", "packed as 'br'"),
    "dripping data": (Slow(portion_bytes=1, pause_s=0.4), "GET /resolve/", "too slowly"),
    "endless list": (Endless(), "/tree/", "more than was announced"),
}


@pytest.mark.parametrize("name", ["org/text", "TIGER-Lab/MMLU-Pro"])
@pytest.mark.parametrize("case", CASES)
def test_what_datasets_downloads_is_bounded(hub: LoopbackHub, reader: Read, case: str, name: str) -> None:
    fault, on, says = CASES[case]
    armed = hub.fault(fault, on=on)
    answer = reader(name, seconds=2.0 if says == "too slowly" else 10.0)
    assert armed.times_applied > 0 and says in answer["error"] and "\n" not in answer["error"]


def test_what_is_within_bounds_is_read(hub: LoopbackHub, reader: Read) -> None:
    assert reader("org/text")["read"].splitlines()[99] == "row 99"
    assert reader("TIGER-Lab/MMLU-Pro")["read"] == 14


def test_nothing_comes_by_way_of_xet(hub: LoopbackHub, reader: Read, program: Program, tiny_llama: Path) -> None:
    pytest.importorskip("hf_xet", reason="hf_xet is not installed: there is no other way than HTTP")
    hub.fault(OfXet(), on="/resolve/")
    hub.fault(ChangedInfo(change=with_xet), on="/tree/")
    assert reader("org/text")["read"] and reader("TIGER-Lab/MMLU-Pro")["read"]
    hub.add_model("org/name", tiny_llama)
    few = ("--seq-len", "16", "--windows", "2")
    done = program("audit", "org/name", *few, HF_ENDPOINT=hub.endpoint, HF_HUB_DISABLE_XET="0")
    assert done.returncode == 0, done.stderr
    assert hub.log and not [request for request in hub.log if XET in request.path]


def test_no_file_system_of_the_hub_goes_by_way_of_xet() -> None:
    """`HfFileSystem.get_file` would, by the hash in a list of files; datasets may come to use it."""
    from huggingface_hub.utils._runtime import is_xet_available

    before = is_xet_available()
    with watched_session("a dataset", size=0, seconds=0):
        assert not is_xet_available()
    assert is_xet_available() is before


@pytest.mark.parametrize("where", ["absolute", "above", "address", "packed address"])
def test_no_dataset_names_data_outside_of_it(hub: LoopbackHub, reader: Read, tmp_path: Path, where: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("mine\n" * 100)
    address = f"{hub.endpoint}/elsewhere.txt"
    pattern = {"absolute": str(secret), "above": "../../org/text/test.jsonl", "address": address,
               "packed address": f"zip://*.txt::{address}"}[where]  # fmt: skip
    card = f"---\nconfigs:\n- config_name: default\n  data_files: [{{split: test, path: '{pattern}'}}]\n---\n"
    hub.add_dataset("org/card", {"README.md": card.encode(), "test.jsonl": ROWS})
    answer = reader("org/card")
    assert "names data outside of it" in answer["error"] and "mine" not in answer["error"]
    assert not [request for request in hub.log if "elsewhere" in request.path]
