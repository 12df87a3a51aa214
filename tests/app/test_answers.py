"""Answers of a process of their own, from a Hub on this machine: whose token is sent, what is kept, what has an end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load, save

from shape_audit.app.answer import Answer, answers
from shape_audit.app.question import asked
from shape_audit.app.reading_process import Limits
from shape_audit.app.view import answers_html
from shape_audit.hub.builtin_models import builtin_folder
from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.faults import Stall
from tests.processes import LONG

MEMORY = 4 * 2**30


@pytest.fixture
def server(hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoopbackHub:
    """The Hub of a server whose own token, in its environment and in its home, may read everything."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "token").write_text(hub.token_with_access)
    for name, value in (
        ("HF_ENDPOINT", hub.endpoint), ("HF_TOKEN", hub.token_with_access), ("HF_HOME", str(tmp_path / "home")),
        ("TMPDIR", str(tmp_path)), ("SHAPE_AUDIT_AUDIT_RECORDS", str(tmp_path / "records")),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return hub


def last(names: str, token: str | None = None, *, seconds: int = LONG, largest: int = 0) -> list[Answer]:
    """The final answers."""
    *_, final = answers(asked(names), token, Limits(seconds, MEMORY, largest))
    return list(final)


def test_a_private_model_is_shown_to_who_may_read_it_and_to_nobody_after(server: LoopbackHub, tmp_path: Path) -> None:
    server.add_model("org/secret", builtin_folder("zoo-300k-4x80"))
    server.make_private("org/secret")
    (without,) = last("org/secret")
    assert without.record is None and without.problem is not None
    assert "org/secret: not found on the Hub, or private" in without.problem and "token of yours" in without.problem
    (allowed,) = last("org/secret", server.token_with_access)
    assert allowed.record is not None and allowed.record.model.repo_id == "org/secret" and allowed.findings is not None
    (after,) = last("org/secret")
    assert after.record is None and after.problem == without.problem
    (stranger,) = last("org/secret", "hf_not_a_token_of_the_hub")
    assert stranger.record is None and stranger.problem and "hf_not" not in stranger.problem
    assert {path.name for path in tmp_path.iterdir()} == {"home"} and [*(tmp_path / "home").iterdir()] == [
        tmp_path / "home" / "token"
    ]


def test_what_a_model_says_of_itself_is_shown_as_text(server: LoopbackHub) -> None:
    files = {path.name: path.read_bytes() for path in builtin_folder("zoo-300k-4x80").iterdir()}
    hostile = "<img src=x onerror=alert(1)>${alert(2)}{{alert(3)}}"
    config = json.loads(files["config.json"]) | {"architectures": [hostile], "torch_dtype": hostile}
    server.add_model("org/odd", files | {"config.json": json.dumps(config).encode()})
    shown = answers_html(asked("org/odd"), tuple(last("org/odd")))
    assert "&lt;img src=x" in shown and "<img" not in shown


def test_models_fail_one_by_one_each_in_a_line(server: LoopbackHub) -> None:
    server.add_model("org/good", builtin_folder("zoo-300k-4x80"))
    server.add_model("org/pickled", {"config.json": b"{}", "pytorch_model.bin": b"\x80\x02."})
    good, pickled, missing = last("org/good org/pickled Qwen/Qwen2.5-05B")
    assert good.record is not None and good.problem is None
    assert pickled.record is None and pickled.problem and pickled.findings is not None
    assert missing.problem and "did you mean Qwen/Qwen2.5-0.5B?" in missing.problem


def test_a_hub_that_does_not_answer_is_given_up(server: LoopbackHub) -> None:
    server.fault(Stall(seconds=LONG))
    (slow,) = last("org/any", seconds=1)
    assert slow.problem == ("org/any: given up after 1 seconds: the Hub, or this server, is slow; try again later")
    server.stop()
    (dead,) = last("org/any")
    assert dead.problem and "the connection to the Hub failed" in dead.problem and "HF_HUB_OFFLINE" not in dead.problem


def test_only_small_models_are_measured_and_progress_is_told(server: LoopbackHub) -> None:
    """In float32, since a CPU that has no bfloat16 takes long for it."""
    files = {path.name: path.read_bytes() for path in builtin_folder("zoo-300k-1x144").iterdir()}
    weights = {name: stored.float() for name, stored in load(files["model.safetensors"]).items()}
    server.add_model("org/small", files | {"model.safetensors": save(weights, metadata={"format": "pt"})})
    seen = list(answers(asked("org/small builtin:bytes-1m"), None, Limits(LONG, MEMORY, 500_000)))
    small, large = seen[-1]
    assert small.record is not None and small.record.interaction is not None
    assert small.record.interaction.windows_used == 32
    assert [one.windows for one, _ in seen if one.windows][-1] == (32, 32)
    assert large.problem == "builtin:bytes-1m: has 976,256 parameters; models of up to 500,000 are measured here"
