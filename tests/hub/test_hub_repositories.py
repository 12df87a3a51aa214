"""Models by name, through the real clients and a loopback Hub."""

import json
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.conftest import Program
from tests.findings import findings
from tests.loopback_hub import LoopbackHub
from tests.tiny_models import save_tiny


def model_requests(hub: LoopbackHub) -> list[str]:
    """Paths asked for, without what a client asks about itself."""
    return [request.path for request in hub.log if "org/" in request.path]


def test_shape_only_by_name_downloads_no_weights(hub: LoopbackHub, program: Program, tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "big", "llama")
    tensors = {**load_file(folder / "model.safetensors"), "extra": torch.zeros(5_000_000)}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    sha = hub.add_model("org/name", folder)
    done = program("audit", "org/name", "--shape-only", "-f", "json", HF_ENDPOINT=hub.endpoint)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert [record["model"][key] for key in ("repo_id", "revision", "source")] == ["org/name", sha, "hub"]
    assert record["shape"]["ledger"]["other"] == 5_000_000
    assert len(model_requests(hub)) <= 4
    assert sum(request.body_bytes for request in hub.log) < 200_000
    assert all(sha in path or "/api/" in path for path in model_requests(hub))


def test_a_second_look_makes_one_request_and_none_offline(hub: LoopbackHub, program: Program, tiny_llama: Path) -> None:
    hub.add_model("org/name", tiny_llama)
    arguments = ("audit", "org/name", "--shape-only", "-f", "json")
    first = program(*arguments, HF_ENDPOINT=hub.endpoint)
    hub.clear_log()
    again = program(*arguments, HF_ENDPOINT=hub.endpoint)
    assert len(model_requests(hub)) == 1
    hub.clear_log()
    offline = program(*arguments, HF_ENDPOINT=hub.endpoint, HF_HUB_OFFLINE="1")
    assert hub.log == []
    hashes = {findings(done.stdout) for done in (first, again, offline)}
    assert len(hashes) == 1


@pytest.mark.parametrize(
    "damage", ["{}", "[", '{"sha256": "", "headers": {"model.safetensors": {"w": ["F32", [7, 7]]}}}']
)
def test_a_damaged_cache_is_not_believed(hub: LoopbackHub, program: Program, tiny_llama: Path, damage: str) -> None:
    hub.add_model("org/name", tiny_llama)
    arguments = ("audit", "org/name", "--shape-only", "-f", "json")
    first = program(*arguments, HF_ENDPOINT=hub.endpoint)
    assets = Path(first.stderr.removeprefix("record: ").strip()).parents[1]
    (cached,) = (assets / "headers" / "org--name").glob("*.json")
    cached.write_text(damage)
    again = program(*arguments, HF_ENDPOINT=hub.endpoint)
    assert findings(again.stdout) == findings(first.stdout)
    (ref,) = (assets / "headers" / "org--name" / "refs").iterdir()
    ref.write_bytes(b"\xff x")
    offline = program(*arguments, HF_ENDPOINT=hub.endpoint, HF_HUB_OFFLINE="1")
    assert (offline.returncode, offline.stdout) == (2, "") and "not in the cache" in offline.stderr


def test_revisions(hub: LoopbackHub, program: Program, tiny_llama: Path, tmp_path: Path) -> None:
    old = hub.add_model("org/name", save_tiny(tmp_path / "old", "gpt2"))
    hub.tag("org/name", "v1", old)
    new = hub.add_model("org/name", tiny_llama)
    branch = hub.add_model("org/name", save_tiny(tmp_path / "branch", "qwen2"), revision="feature/x")
    for name, sha in (
        ("org/name", new),
        ("org/name@v1", old),
        (f"org/name@{old}", old),
        ("org/name@feature/x", branch),
    ):
        done = program("audit", name, "--shape-only", "-f", "json", HF_ENDPOINT=hub.endpoint)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["model"]["revision"] == sha
    gone = program("audit", "org/name@v2", "--shape-only", HF_ENDPOINT=hub.endpoint)
    assert (gone.returncode, gone.stdout) == (2, "")
    assert gone.stderr.splitlines()[-1].startswith("shape-audit: org/name@v2: the repository exists, but has no such")


def test_sharded_headers_are_merged(hub: LoopbackHub, program: Program, tmp_path: Path, tiny_llama: Path) -> None:
    hub.add_model("org/sharded", save_tiny(tmp_path / "sharded", "llama", max_shard_size="20KB"))
    hub.add_model("org/single", tiny_llama)
    arguments = ("--shape-only", "-f", "json")
    sharded = program("audit", "org/sharded", *arguments, HF_ENDPOINT=hub.endpoint)
    single = program("audit", "org/single", *arguments, HF_ENDPOINT=hub.endpoint)
    assert json.loads(sharded.stdout)["shape"] == json.loads(single.stdout)["shape"]


def test_a_tokenizer_in_mistrals_own_form_is_fetched_and_read(
    hub: LoopbackHub, program: Program, tmp_path: Path
) -> None:
    """Some of its repositories have tekken.json and no tokenizer.json."""
    pytest.importorskip("transformers.integrations.mistral", reason="this transformers does not read tekken.json")
    folder = save_tiny(tmp_path / "model", "llama")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    numbers = {"num_vocab_tokens": 253, "default_vocab_size": 256, "default_num_special_tokens": 3}
    special = [{"rank": i, "token_str": name, "is_control": True} for i, name in enumerate(("<unk>", "<s>", "</s>"))]
    each_byte = [
        {"rank": i, "token_bytes": b64encode(bytes([i])).decode(), "token_str": None}
        for i in range(numbers["num_vocab_tokens"])
    ]
    written = {
        "config": {"pattern": r"\S+|\s", "version": "v3", **numbers},
        "vocab": each_byte,
        "special_tokens": special,
    }
    (folder / "tekken.json").write_text(json.dumps(written))
    hub.add_model("org/name", folder)
    audit = ("--windows", "4", "--seq-len", "16", "-f", "json")
    done = program("audit", "org/name", *audit, HF_ENDPOINT=hub.endpoint)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["calibration"]["bytes"] == 4 * 16


def test_a_measured_audit_by_name_equals_that_of_the_folder(
    hub: LoopbackHub, program: Program, tiny_llama: Path
) -> None:
    sha = hub.add_model("org/name", tiny_llama)
    arguments = ("--windows", "4", "--seq-len", "16", "-f", "json")
    by_name = program("audit", "org/name", *arguments, HF_ENDPOINT=hub.endpoint)
    assert by_name.returncode == 0, by_name.stderr
    files = [path for path in model_requests(hub) if "/resolve/" in path]
    assert files and all(f"/resolve/{sha}/" in path for path in files)
    hub.clear_log()
    offline = program("audit", "org/name", *arguments, HF_ENDPOINT=hub.endpoint, HF_HUB_OFFLINE="1")
    assert offline.returncode == 0 and hub.log == [], offline.stderr
    of_folder = program("audit", tiny_llama, *arguments)
    records = [json.loads(done.stdout) for done in (by_name, offline, of_folder)]
    assert findings(by_name.stdout) == findings(offline.stdout)
    assert records[0]["interaction"] == records[2]["interaction"] and records[0]["loss"] == records[2]["loss"]


@pytest.mark.parametrize("shape_only", [True, False])
def test_what_the_hub_refuses(hub: LoopbackHub, program: Program, tiny_llama: Path, shape_only: bool) -> None:
    hub.add_model("org/gated", tiny_llama)
    hub.gate("org/gated")
    hub.add_model("org/private", tiny_llama)
    hub.make_private("org/private")
    hub.add_model("org/pickled", {"config.json": b"{}", "pytorch_model.bin": b"x"})
    hub.add_model("org/truncated", {"config.json": b"{}", "model.safetensors": (500).to_bytes(8, "little") + b"{"})
    expected = {
        "org/gated": (2, "org/gated: gated. Accept its terms"),
        "org/private": (2, "org/private: not found on the Hub, or private"),
        "org/gone": (2, "org/gone: not found on the Hub, or private"),
        "org/pickled": (3, "org/pickled: pickled weights only"),
        "org/truncated": (2, "model.safetensors as the Hub sent it: truncated"),
    }
    flags = ["--shape-only"] if shape_only else []
    for name, (code, line) in expected.items():
        done = program("audit", name, *flags, HF_ENDPOINT=hub.endpoint)
        assert (done.returncode, done.stdout) == (code, ""), (name, done.stderr)
        assert done.stderr.splitlines()[-1].startswith(f"shape-audit: {line}"), done.stderr
        assert "Traceback" not in done.stderr
    opened = program("audit", "org/gated", "--shape-only", HF_ENDPOINT=hub.endpoint, HF_TOKEN=hub.token_with_access)
    assert opened.returncode == 0, opened.stderr


def test_no_network_and_nothing_cached(hub: LoopbackHub, program: Program) -> None:
    offline = program("audit", "org/name", HF_ENDPOINT=hub.endpoint, HF_HUB_OFFLINE="1")
    assert offline.returncode == 2 and "offline mode is on" in offline.stderr and hub.log == []
    hub.stop()
    down = program("audit", "org/name", "--shape-only", "--retries", "1", HF_ENDPOINT=hub.endpoint)
    assert down.returncode == 2
    line = down.stderr.splitlines()[-1]
    assert "the connection to the Hub failed" in line
    assert "gated" not in line and "not found" not in line


def test_subfolders_and_variants(hub: LoopbackHub, program: Program, tiny_llama: Path, tmp_path: Path) -> None:
    files = {path.name: path for path in tiny_llama.iterdir()}
    inside = {f"deep/er/{name}": path for name, path in files.items() if not name.startswith("tokenizer")}
    tokenizer = {name: path for name, path in files.items() if name.startswith("tokenizer")}
    hub.add_model("org/inside", inside | tokenizer)
    arguments = ("--windows", "3", "--seq-len", "16", "-f", "json")
    plain = json.loads(program("audit", tiny_llama, *arguments).stdout)
    lost = program("audit", "org/inside", HF_ENDPOINT=hub.endpoint)
    assert lost.returncode == 2 and "config.json lies in a subfolder; try --subfolder deep/er" in lost.stderr
    found = program("audit", "org/inside", "--subfolder", "deep/er", *arguments, HF_ENDPOINT=hub.endpoint)
    assert found.returncode == 0, found.stderr
    record = json.loads(found.stdout)
    assert record["interaction"] == plain["interaction"] and record["model"]["subfolder"] == "deep/er"
    outside = program("audit", "org/inside", "--subfolder", "../x", HF_ENDPOINT=hub.endpoint)
    assert outside.returncode == 4 and "must be a folder inside the repository" in outside.stderr

    variant = {name: path for name, path in files.items() if name != "model.safetensors"}
    hub.add_model("org/variant", variant | {"model.fp16.safetensors": files["model.safetensors"]})
    without = program("audit", "org/variant", "--shape-only", HF_ENDPOINT=hub.endpoint)
    assert without.returncode == 2 and "there are variants: fp16. Choose one with --variant" in without.stderr
    chosen = program("audit", "org/variant", "--variant", "fp16", *arguments, HF_ENDPOINT=hub.endpoint)
    assert chosen.returncode == 0, chosen.stderr
    assert json.loads(chosen.stdout)["interaction"] == plain["interaction"]
    local = program("audit", tiny_llama.parent, "--subfolder", "tiny-llama", *arguments)
    assert json.loads(local.stdout)["interaction"] == plain["interaction"]


def test_weights_beside_the_models_own_are_not_counted(hub: LoopbackHub, program: Program, tiny_llama: Path) -> None:
    files = {path.name: path for path in tiny_llama.iterdir()}
    extra = {"consolidated.safetensors": files["model.safetensors"], "original/params.bin": b"x", "x.gguf": b"y"}
    hub.add_model("org/many", files | extra)
    hub.add_model("org/one", files)
    many, one = (program("audit", f"org/{name}", "--shape-only", "-f", "json", HF_ENDPOINT=hub.endpoint)
                 for name in ("many", "one"))  # fmt: skip
    assert json.loads(many.stdout)["shape"] == json.loads(one.stdout)["shape"]


def test_offline_after_the_shape_alone_says_what_is_missing(
    hub: LoopbackHub, program: Program, tiny_llama: Path
) -> None:
    hub.add_model("org/name", tiny_llama)
    assert program("audit", "org/name", "--shape-only", HF_ENDPOINT=hub.endpoint).returncode == 0
    done = program("audit", "org/name", "--seq-len", "16", HF_ENDPOINT=hub.endpoint, HF_HUB_OFFLINE="1")
    assert done.returncode == 2 and "its tokenizer is not in the cache, and offline mode is on" in done.stderr


@pytest.mark.long
def test_a_full_disk_while_caching(hub: LoopbackHub, program: Program, tiny_llama: Path, tmp_path: Path) -> None:
    hub.add_model("org/name", tiny_llama)
    records = tmp_path / "records"
    first = program("audit", "org/name", "--shape-only", "--records", records, HF_ENDPOINT=hub.endpoint)
    before = {path.name: path.read_bytes() for path in records.iterdir()}
    assert first.returncode == 0 and before
    command = (
        f"ulimit -f 4; exec {sys.executable} -m shape_audit audit org/name --windows 2 --seq-len 8 --records {records}"
    )
    environment = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "other"), "PATH": "/usr/bin:/bin",
                   "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}  # fmt: skip
    root = Path(__file__).resolve().parents[2]
    full = subprocess.run(
        ["bash", "-c", command], env=environment, cwd=root, capture_output=True, text=True, timeout=120
    )
    assert full.returncode == 2 and full.stdout == "", full.stderr
    assert full.stderr.splitlines()[-1].startswith("shape-audit: ") and "Traceback" not in full.stderr
    assert {path.name: path.read_bytes() for path in records.iterdir()} == before
