"""Kind 6: what comes in is bounded, and so is what it expands to: in bytes, memory, requests and seconds.

Clocks and limits here are bounds with room: what they hold off is endless.
"""

import base64
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shape_audit.auditing.partial_results import DAMAGED, STATE, PartialResults
from shape_audit.calibration import load_tokenizer, read_text
from shape_audit.errors import CorruptFileError, NotAuditableError, ShapeAuditError
from shape_audit.hub import parse_yaml
from shape_audit.hub.builtin_models import builtin_folder
from shape_audit.interaction import Site
from shape_audit.interval import read_interval
from shape_audit.leaderboard import read_manifest
from shape_audit.leaderboard.page.card_check import check_dataset_card
from shape_audit.records import read_record
from shape_audit.scores.posted import posted_scores
from tests.conftest import Program
from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.faults import Fault, Slow, Stall, WrongETag, WrongRepoCommit
from tests.security.hostile_hub import ChangedInfo, Endless, Packed

MEMORY = 2**30
"""Bytes of address space: a shape-only audit takes less than half of it."""
LONG = 120
"""Seconds, for what would otherwise never end."""
INFO, CONFIG, HEAD = "GET /api/models/", "GET /config.json", "HEAD /resolve/"


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def started(environment: dict[str, str], *arguments: str | Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "shape_audit", *map(str, arguments)]
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, env=environment | threads, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=limited, cwd=environment["HF_HOME"],
    )  # fmt: skip


@pytest.fixture
def client(clean_environment: dict[str, str], hub: LoopbackHub, tiny_llama: Path) -> dict[str, str]:
    """The environment of a reader of that hub, which holds org/name."""
    hub.add_model("org/name", tiny_llama)
    return clean_environment | {
        "HF_ENDPOINT": hub.endpoint, "HF_HUB_DOWNLOAD_TIMEOUT": "2", "HF_HUB_ETAG_TIMEOUT": "10",
    }  # fmt: skip


def names(file: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda info: {**info, "siblings": [*info["siblings"], {"rfilename": file, "size": 1}]}


CASES: dict[str, tuple[Fault, str, str]] = {
    "endless info": (Endless(), INFO, "more than was announced"),
    "packed info": (Packed(), INFO, "more than was announced"),
    "oddly packed info": (Packed("br"), INFO, "packed as 'br'"),
    "endless config": (Endless(), CONFIG, "more than was announced"),
    "packed config": (Packed(), CONFIG, "more than was announced"),
    "dripping config": (Slow(portion_bytes=1, pause_s=0.3), CONFIG, "too slowly"),
    "packed header": (Packed(), "GET /model.safetensors", "more than was announced"),
}
ELSEWHERE: dict[str, tuple[Fault, str, str]] = {
    "a path as ETag": (WrongETag("../../../../../escaped"), HEAD, "which is no hash"),
    "a path as commit": (WrongRepoCommit("../../../escaped"), HEAD, "was not asked for"),
    "another commit": (WrongRepoCommit("1" * 40), HEAD, "was not asked for"),
    "a path as a file's name": (ChangedInfo(change=names("../../escaped")), INFO, "refused"),
    "an absolute name": (ChangedInfo(change=names("/escaped")), INFO, "refused"),
    "a path as the model's name": (ChangedInfo(change=lambda info: {**info, "id": "../../escaped"}), INFO, "is none"),
}


READING = ("audit", "org/name", "--shape-only", "--retries", "0")


@pytest.mark.parametrize("name", CASES)
def test_what_a_hub_sends_is_bounded(hub: LoopbackHub, client: dict[str, str], tmp_path: Path, name: str) -> None:
    """In a process that may not have much memory."""
    fault, on, says = CASES[name]
    armed = hub.fault(fault, on=on)
    done = started(client, *READING)
    out, err = done.communicate(timeout=LONG)
    assert armed.times_applied > 0 and (done.returncode, out) == (2, "")
    is_one_line_and_nothing_is_left(err, says, tmp_path)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_a_hub_sends_names_nothing_outside(
    hub: LoopbackHub, client: dict[str, str], program: Program, tmp_path: Path, name: str
) -> None:
    fault, on, says = ELSEWHERE[name]
    armed = hub.fault(fault, on=on)
    done = program(*READING, **client)
    assert armed.times_applied > 0 and (done.returncode, done.stdout) == (2, "")
    is_one_line_and_nothing_is_left(done.stderr, says, tmp_path)


def is_one_line_and_nothing_is_left(err: str, says: str, tmp_path: Path) -> None:
    (line,) = err.splitlines()
    assert says in line and "(a bug" not in line
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in left) < 2**20
    assert not [path for path in left if "escaped" in path.name or path.suffix == ".incomplete"]
    assert not list(tmp_path.parent.glob("escaped*"))


@pytest.mark.parametrize(
    ("command", "code", "requests"),
    [
        pytest.param(("audit", "--shape-only"), 2, 10, id="audit"),
        pytest.param(("check",), 1, 1100, id="check", marks=pytest.mark.long),
    ],
)
def test_more_shards_than_any_model_has_are_not_asked_for(
    hub: LoopbackHub, client: dict[str, str], tiny_llama: Path, command: tuple[str, ...], code: int, requests: int
) -> None:
    shards = [f"model-{number:05}-of-01500.safetensors" for number in range(1, 1501)]
    index = {"weight_map": {f"tensor.{number}": shard for number, shard in enumerate(shards)}}
    files = {"config.json": (tiny_llama / "config.json").read_bytes(), **dict.fromkeys(shards, b"x")}
    hub.add_model("org/many", {**files, "model.safetensors.index.json": json.dumps(index).encode()})
    done = started(client, command[0], "org/many", *command[1:])
    out, err = done.communicate(timeout=LONG)
    assert done.returncode == code and "1,500 files of weights; no model has so many" in out + err
    assert len(hub.log) < requests
    if command == ("check",):
        said = " ".join(out.split())
        assert "SA713" in said and "1,459 more shards without a sound header are not looked into; 40 were" in said


@pytest.mark.parametrize(
    "fault", [Slow(portion_bytes=1, pause_s=1), Stall(after=5, seconds=LONG)], ids=["slow", "stalled"]
)
def test_the_first_interrupt_ends_a_download_and_leaves_nothing(
    hub: LoopbackHub, client: dict[str, str], tmp_path: Path, fault: Fault
) -> None:
    hub.fault(fault, on=CONFIG)
    running = started(client | {"HF_HUB_DOWNLOAD_TIMEOUT": str(LONG)}, "audit", "org/name", "--shape-only")
    deadline = time.monotonic() + LONG
    while not list(tmp_path.rglob("*.incomplete")):
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=LONG / 4)
    assert running.returncode == 130 and err == "shape-audit: interrupted; nothing half-written was left behind\n"
    assert not list(tmp_path.rglob("*.incomplete"))


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)
YAML = {
    "aliases": (BOMB, "aliases"), "one alias": ("a: &a x\nb: *a\n", "aliases"),
    "merge keys": ("a:\n  <<: {b: 1}\n", "merge keys"), "hexadecimal": (f"v: 0x{'1' * 1000}", "not valid"),
    "decimal": (f"v: {'1' * 10**5}", "not valid"), "sexagesimal": (f"v: {':'.join(['1'] * 500)}", "not valid"),
    "float": (f"v: 1{'0' * 400}.5", "not valid"), "nested": ("[" * 100_000, "too large"),
    "long": ("a: " + "x" * 2**21, "too large"), "wide": ("[" + "1," * 400_000 + "]", "too large"),
}  # fmt: skip


@pytest.mark.parametrize("kind", YAML)
def test_yaml_is_what_its_text_shows(kind: str) -> None:
    text, says = YAML[kind]
    with pytest.raises(CorruptFileError, match=says):
        parse_yaml(text, file="README.md")
    for name, content in ((".eval_results/a.yaml", text), ("README.md", f"---\n# model-index\n{text}\n---\n")):
        found, passed_over = posted_scores("org/name", None, {name: content})
        assert found == [] and len(passed_over) == 1 and says in passed_over[0]
    with pytest.raises(CorruptFileError):
        check_dataset_card(f"---\n{text}\n---\n".encode(), file="README.md", paths=[])


def test_yaml_of_every_day_is_read() -> None:
    text = "a: 1\nb: [0x1f, 1.5, ~, yes]\nc: 2025-01-01\nd: {e: '<<'}\n# &\nf: |\n  *x\n"
    found = parse_yaml(text, file="README.md")
    assert (found["a"], found["b"], found["d"], found["f"]) == (1, [31, 1.5, None, True], {"e": "<<"}, "*x\n")


@pytest.mark.parametrize("digits", [1000, 10**6])
@pytest.mark.parametrize("place", ['title = "x"\n[measure]\nwindows = {}\n', "[scores]\ndraws = {}\n", "order = {}\n"])
def test_a_manifests_huge_numbers_are_one_line(tmp_path: Path, place: str, digits: int) -> None:
    (tmp_path / "m.toml").write_text(place.format("0x" + "f" * digits) + '[[models]]\nnames = ["a/b"]\n')
    with pytest.raises(CorruptFileError, match="an implausible number"):
        read_manifest(tmp_path / "m.toml")


def test_a_configs_huge_numbers_are_one_line(client: dict[str, str], tiny_llama: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_llama, tmp_path / "model"))
    config = (folder / "config.json").read_text().rstrip().removesuffix("}")
    (folder / "config.json").write_text(f'{config}, "hidden_size": {"9" * 10**6}}}')
    done = started(client, "audit", folder, "--shape-only")
    out, err = done.communicate(timeout=LONG)
    assert (done.returncode, out) == (2, "") and "too many digits" in err and len(err.splitlines()) == 1


def replaced(pattern: Any, content: str, times: int = 1) -> dict[str, Any]:
    rule = {"type": "Replace", "pattern": pattern, "content": content}
    return {"type": "Sequence", "normalizers": [{"type": "Sequence", "normalizers": [rule]} for _ in range(times)]}


def charsmap(text: bytes) -> str:
    return base64.b64encode((4).to_bytes(4, "little") + bytes(4) + b"\0" + text + b"\0").decode()


EXPLODING: dict[str, dict[str, Any]] = {
    "a chain": {"normalizer": replaced({"String": "a"}, "aa", times=40)},
    "one long text": {"normalizer": replaced({"String": "a"}, "b" * 10**6)},
    "between characters": {"normalizer": replaced({"Regex": ""}, "b" * 5000)},
    "before all": {"normalizer": {"type": "Prepend", "prepend": "b" * 5000}},
    "a map of characters": {"normalizer": {"type": "Precompiled", "precompiled_charsmap": charsmap(b"b" * 5000)}},
    "bytes of bytes": {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}] * 12}},
    "a decoder": {"decoder": {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}] * 40}},
}  # fmt: skip


def tokenizer_with(folder: Path, **parts: Any) -> Path:
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(builtin_folder("bytes-1m") / name, folder / name)
    document = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(document | parts))
    return folder


@pytest.mark.parametrize("kind", EXPLODING)
def test_a_tokenizer_that_explodes_is_not_loaded(tmp_path: Path, kind: str) -> None:
    with pytest.raises(NotAuditableError, match="times as long, which would take all memory"):
        load_tokenizer(tokenizer_with(tmp_path / "model", **EXPLODING[kind]), "model")


def test_tokenizers_rules_of_every_day_are_loaded(tmp_path: Path) -> None:
    rules = [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
             {"type": "NFKC"}, {"type": "Lowercase"}]  # fmt: skip
    folder = tokenizer_with(tmp_path / "model", normalizer={"type": "Sequence", "normalizers": rules})
    assert load_tokenizer(folder, "model").encode("a b").ids


def test_a_vocabulary_of_gigabytes_is_not_read_for_a_shape(
    client: dict[str, str], tiny_llama: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_llama, tmp_path / "model"))
    for name in ("tokenizer.json", "tokenizer.model", "vocab.txt", "adapter_model.bin"):
        with (folder / name).open("wb") as stream:
            stream.truncate(3 * 2**30)
    done = started(client, "audit", folder, "--shape-only", "-f", "json")
    out, err = done.communicate(timeout=LONG)
    assert done.returncode == 0, err
    assert json.loads(out)["shape"]["num_hidden_layers"] == 2


def ends(call: Callable[[], Any]) -> Any:
    """What a call gives or raises, if it ends: a pipe that nobody writes to would hold it for ever."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(call())
        except ShapeAuditError as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(LONG)
    assert found, "it does not end"
    return found[0]


@pytest.mark.parametrize("read", [read_record, read_interval, read_manifest, read_text], ids=lambda read: read.__name__)
def test_a_pipe_is_no_file(tmp_path: Path, read: Callable[[Path], Any]) -> None:
    path = tmp_path / "pipe.txt"
    os.mkfifo(path)
    error = ends(lambda: read(path))
    assert isinstance(error, ShapeAuditError) and "\n" not in str(error) and "file" in str(error)


def test_a_pipe_as_partial_results_is_set_aside(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / STATE)
    partial = PartialResults(tmp_path, {})
    assert partial.saved_micro_batch() is None
    assert partial.saved_micro_batch() is None
    state, note = ends(lambda: partial.load({Site(0): 5}))
    assert state is None and "were damaged; set aside" in note and (tmp_path / DAMAGED).exists()


def test_a_machine_that_does_not_reach_itself_is_one_line(client: dict[str, str]) -> None:
    probe = subprocess.run(["unshare", "-rn", "true"], capture_output=True) if shutil.which("unshare") else None
    if probe is None or probe.returncode:
        pytest.skip("no network namespace can be made here (unshare -rn)")
    done = subprocess.run(
        ["unshare", "-rn", sys.executable, "-m", "shape_audit", "audit", "builtin:bytes-1m", "--num-processes", "2"],
        env=client, capture_output=True, text=True, timeout=LONG,
    )  # fmt: skip
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2 and "127.0.0.1 does not answer" in line
