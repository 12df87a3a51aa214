"""Every fault of the network: the right code, one true line, nothing lost, and a retry afterwards succeeds."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.faults import (
    Close,
    EmptyAnswer,
    Fault,
    Garbage,
    RangesIgnored,
    Redirect,
    RedirectLoop,
    Reset,
    Slow,
    Stall,
    StatusFor,
    Truncated,
    WrongETag,
    WrongLength,
    WrongRepoCommit,
)

INFO, FILES, HEAD = "GET /api/models/", "GET /resolve/", "HEAD /resolve/"
CONFIG, WEIGHTS = "GET /config.json", "GET /model.safetensors"
RECOVERS = (0, "")


@dataclass(frozen=True)
class Case:
    """A fault, where it strikes, and what the user sees: exit code and a part of the line."""

    fault: Fault
    on: str
    code: int
    says: str


CASES = {
    # faults that pass while the audit tries again
    "info 503 once": Case(StatusFor(503, first=1), INFO, *RECOVERS),
    "info 500 once": Case(StatusFor(500, first=1), INFO, *RECOVERS),
    "info 429 once": Case(StatusFor(429, first=1, headers={"Retry-After": "1"}), INFO, *RECOVERS),
    "info closed once": Case(Close(first=1), INFO, *RECOVERS),
    "info closed half-way once": Case(Close(after=100, first=1), INFO, *RECOVERS),
    "info reset once": Case(Reset(first=1), INFO, *RECOVERS),
    "info stalls once": Case(Stall(first=1, seconds=5), INFO, *RECOVERS),
    "config 503 once": Case(StatusFor(503, first=1), CONFIG, *RECOVERS),
    "config reset once": Case(Reset(first=1), CONFIG, *RECOVERS),
    "config closed once": Case(Close(first=1), CONFIG, *RECOVERS),
    "weights 502 once": Case(StatusFor(502, first=1), WEIGHTS, *RECOVERS),
    "weights closed half-way once": Case(Close(after=300, first=1), WEIGHTS, *RECOVERS),
    "weights reset half-way once": Case(Reset(after=300, first=1), WEIGHTS, *RECOVERS),
    "weights stall once": Case(Stall(after=300, first=1, seconds=5), WEIGHTS, *RECOVERS),
    "head 503 once": Case(StatusFor(503, first=1), HEAD, *RECOVERS),
    "slow": Case(Slow(portion_bytes=20_000, pause_s=0.01), FILES, *RECOVERS),
    "ranges ignored": Case(RangesIgnored(), WEIGHTS, *RECOVERS),
    "redirect": Case(Redirect("/org/same/resolve/main/config.json"), CONFIG, *RECOVERS),
    # faults that stay
    "info 503 always": Case(StatusFor(503), INFO, 2, "the Hub answered HTTP 503"),
    "info 500 always": Case(StatusFor(500), INFO, 2, "the Hub answered HTTP 500"),
    "info 429 always": Case(StatusFor(429, headers={"Retry-After": "1"}), INFO, 2, "the Hub answered HTTP 429"),
    "info 429 for an hour": Case(StatusFor(429, headers={"Retry-After": "3600"}), INFO, 2, "the Hub answered HTTP 429"),
    "info 403": Case(StatusFor(403), INFO, 2, "the Hub answered HTTP 403"),
    "info 404": Case(StatusFor(404), INFO, 2, "the Hub answered HTTP 404"),
    "info gone": Case(StatusFor(404, code="RepoNotFound"), INFO, 2, "not found on the Hub, or private"),
    "no revision": Case(StatusFor(404, code="RevisionNotFound"), INFO, 2, "has no such revision"),
    "info closed": Case(Close(), INFO, 2, "the connection to the Hub failed (RemoteProtocolError)"),
    "info reset": Case(Reset(), INFO, 2, "the connection to the Hub failed (ReadError)"),
    "info stalls": Case(Stall(seconds=5), INFO, 2, "the connection to the Hub failed (ReadTimeout)"),
    "info garbage": Case(Garbage(), INFO, 2, "unexpected response from the Hub"),
    "info empty": Case(EmptyAnswer(), INFO, 2, "unexpected response from the Hub"),
    "info truncated": Case(Truncated(50), INFO, 2, "unexpected response from the Hub"),
    "info of another kind": Case(Garbage(b"[]", "application/json"), INFO, 2, "unexpected response from the Hub"),
    "info loops": Case(RedirectLoop(), INFO, 2, "the request to the Hub failed (TooManyRedirects)"),
    "files gated": Case(StatusFor(403, code="GatedRepo"), FILES, 2, "gated. Accept its terms"),
    "files 401 gated": Case(StatusFor(401, code="GatedRepo"), HEAD, 2, "gated. Accept its terms"),
    "config gone": Case(StatusFor(404, code="EntryNotFound"), HEAD, 2, "a file of the repository is missing"),
    "config 503 always": Case(StatusFor(503), CONFIG, 2, "the Hub answered HTTP 503"),
    "config reset always": Case(Reset(), CONFIG, 2, "the connection to the Hub failed (ReadError)"),
    "config short": Case(Truncated(20), CONFIG, 2, "Consistency check failed"),
    "head 404": Case(StatusFor(404), HEAD, 2, "could not be fetched: the Hub answered HTTP 404"),
    "head without etag": Case(WrongETag(None), HEAD, 2, "lacks what a download needs"),
    "head without commit": Case(WrongRepoCommit(None), HEAD, 2, "lacks what a download needs"),
    "weights 503 always": Case(StatusFor(503), WEIGHTS, 2, "the Hub answered HTTP 503"),
    "weights closed always": Case(
        Close(after=300), WEIGHTS, 2, "the connection to the Hub failed (RemoteProtocolError)"
    ),
    "weights too short": Case(Truncated(300), WEIGHTS, 2, "as the Hub sent it: truncated inside its header"),
    "weights are a page": Case(Garbage(), WEIGHTS, 2, "as the Hub sent it: not a safetensors file"),
    "weights cut off": Case(WrongLength(1000), WEIGHTS, 2, "the connection to the Hub failed (RemoteProtocolError)"),
}

Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def hub(tiny_llama: Path) -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        hub.add_model("org/name", tiny_llama)
        hub.add_model("org/same", tiny_llama)
        yield hub


@pytest.fixture(scope="module")
def ask(hub: LoopbackHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Runs shape-audit in a process that stays, against the hub, with an empty cache unless told otherwise."""
    place = tmp_path_factory.mktemp("client")
    kept = {
        n: v for n, v in os.environ.items() if not n.startswith(("HF_", "SHAPE_AUDIT_")) and "proxy" not in n.lower()
    }
    ours = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(place / "hf"), "HF_HUB_DOWNLOAD_TIMEOUT": "1",
            "HF_HUB_ETAG_TIMEOUT": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}  # fmt: skip
    script = Path(__file__).with_name("client_process.py")
    process = subprocess.Popen(
        [sys.executable, str(script)], env=kept | ours, cwd=Path(__file__).resolve().parents[2], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def run(*arguments: str, wipe: bool = True) -> dict[str, Any]:
        assert process.stdin is not None and process.stdout is not None
        records = ["--records", str(place / "records")]
        process.stdin.write(json.dumps({"arguments": ["audit", *arguments, *records], "wipe": wipe}) + "\n")
        process.stdin.flush()
        answer: dict[str, Any] = json.loads(process.stdout.readline())
        return answer

    with process:
        yield run
        process.kill()


BOTH_WAYS = ("config 503 once", "weights closed half-way once", "weights 503 always")
"""Also before a measured audit, which reads the same files in the same way."""
MODES = {"shape-only": ("--shape-only",), "measured": ("--windows", "2", "--seq-len", "8")}


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        pytest.param(name, mode, marks=[pytest.mark.long] * (mode == "measured" and name not in BOTH_WAYS))
        for name in CASES
        for mode in MODES
    ],
)
def test_a_fault_costs_nothing_but_a_retry(hub: LoopbackHub, ask: Ask, name: str, mode: str) -> None:
    case = CASES[name]
    arguments = ("org/name", "-f", "json", *MODES[mode])
    hub.clear_faults()
    armed = hub.fault(case.fault, on=case.on)
    struck = ask(*arguments, "--retries", "1")
    assert armed.times_applied > 0, "the fault never struck"
    if case.code == 0:
        assert struck["code"] == 0, struck["err"]
        assert json.loads(struck["out"])["model"]["repo_id"] == "org/name"
    else:
        assert (struck["code"], struck["out"]) == (case.code, ""), struck["err"]
        line = struck["err"].splitlines()[-1]
        assert line.startswith("shape-audit: ") and case.says in line, line
        assert "Traceback" not in struck["err"] and "(a bug" not in line
        if not case.says.startswith(("gated", "not found")):
            assert "gated" not in line and "not found" not in line
    assert struck["seconds"] < 60
    hub.clear_faults()
    again = ask(*arguments, wipe=False)
    assert again["code"] == 0, again["err"]
    assert json.loads(again["out"])["model"]["repo_id"] == "org/name"


def test_there_are_at_least_thirty_faults() -> None:
    assert len(CASES) >= 30
