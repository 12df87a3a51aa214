"""Datasets of the Hub, through the real clients and a loopback Hub."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.conftest import Program
from tests.findings import findings
from tests.loopback_hub import LoopbackHub

README = b"""---
configs:
- config_name: small
  data_files: [{split: test, path: small/test-*}, {split: train, path: small/train-*}]
- config_name: large
  data_files: [{split: train, path: large/train-*}]
---
"""
SHARDS = [f"large/train-0000{shard}-of-00006.parquet" for shard in range(6)]
FEW = ("--windows", "3", "--seq-len", "16", "-f", "json")


def parquet(text: str, rows: int) -> bytes:
    stream = io.BytesIO()
    table = pa.table({"text": [f"{text} number {i} of the rows\n" for i in range(rows)], "n": list(range(rows))})
    pq.write_table(table, stream, row_group_size=1000, compression="none")
    return stream.getvalue()


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return {
        "README.md": README,
        "small/test-00000-of-00001.parquet": parquet("the small test row", 500),
        "small/train-00000-of-00001.parquet": parquet("the small train row", 500),
    } | dict.fromkeys(SHARDS, parquet("a row of the large one", 20))


@pytest.fixture
def hub(hub: LoopbackHub, files: dict[str, bytes]) -> LoopbackHub:
    hub.add_dataset("org/texts", files)
    return hub


def test_config_split_and_revision_are_pinned_and_kept(hub: LoopbackHub, program: Program, tiny_llama: Path) -> None:
    arguments = ("audit", tiny_llama, "--dataset", "org/texts:small", *FEW)
    first = program(*arguments, HF_ENDPOINT=hub.endpoint)
    assert first.returncode == 0, first.stderr
    calibration = json.loads(first.stdout)["calibration"]
    assert [calibration[key] for key in ("dataset", "config", "split", "column")] == [
        "org/texts",
        "small",
        "test",
        "text",
    ]
    assert len(calibration["revision"]) == 40
    train = program(*arguments, "--split", "train", HF_ENDPOINT=hub.endpoint)
    assert json.loads(train.stdout)["calibration"]["text_sha256"] != calibration["text_sha256"]
    hub.clear_log()
    offline = program(*arguments, HF_ENDPOINT=hub.endpoint, HF_HUB_OFFLINE="1")
    assert offline.returncode == 0 and hub.log == [], offline.stderr
    assert findings(offline.stdout) == findings(first.stdout)


def test_a_large_dataset_is_not_downloaded_whole(
    hub: LoopbackHub, program: Program, tiny_llama: Path, files: dict[str, bytes]
) -> None:
    large = files | dict.fromkeys(SHARDS, parquet("a row of the large one, " * 20, 20_000))
    hub.add_dataset("org/large", large)
    arguments = ("audit", tiny_llama, "--dataset", "org/large:large", *FEW)
    done = program(*arguments, HF_ENDPOINT=hub.endpoint)
    assert done.returncode == 0, done.stderr
    whole = sum(len(content) for content in large.values())
    assert whole > 50_000_000 and sum(request.body_bytes for request in hub.log) < whole / 2
    assert not any("00005-of-00006" in request.path and request.body_bytes for request in hub.log)


def test_what_is_not_there_is_answered_with_what_is(
    hub: LoopbackHub, program: Program, tiny_llama: Path, files: dict[str, bytes]
) -> None:
    hub.add_dataset("org/gated", files)
    hub.gate("org/gated", repo_type="dataset")
    cases = {
        ("org/texts",): (4, "dataset org/texts: config: several, choose one with :config; there are: large, small"),
        ("org/texts:middle",): (4, "dataset org/texts: config: no 'middle'; there are: large, small"),
        ("org/texts:small", "--split", "dev"): (4, "dataset org/texts: split: no 'dev'; there are: test, train"),
        ("org/texts:small", "--text-column", "body"): (4, "dataset org/texts: no column body; text columns are: text"),
        ("org/texts:small", "--text-column", "n"): (4, "dataset org/texts: column n holds no text"),
        ("org/gated:small",): (2, "dataset org/gated: gated. Accept its terms"),
        ("org/gone",): (2, "dataset org/gone: not found on the Hub, or private"),
        ("org/texts:small@v9",): (2, "dataset org/texts: the repository exists, but has no such revision"),
    }
    for (name, *more), (code, line) in cases.items():
        done = program("audit", tiny_llama, "--dataset", name, *more, *FEW, HF_ENDPOINT=hub.endpoint)
        assert (done.returncode, done.stdout) == (code, ""), (name, done.stderr)
        assert done.stderr.splitlines()[-1].startswith(f"shape-audit: {line}"), done.stderr


def test_no_network_and_nothing_kept(hub: LoopbackHub, program: Program, tiny_llama: Path) -> None:
    arguments = ("audit", tiny_llama, "--dataset", "org/texts:small", *FEW)
    offline = program(*arguments, HF_ENDPOINT=hub.endpoint, HF_HUB_OFFLINE="1")
    assert offline.returncode == 2 and "not in the cache, and offline mode is on" in offline.stderr
    hub.stop()
    down = program(*arguments, "--retries", "0", HF_ENDPOINT=hub.endpoint)
    assert down.returncode == 2 and "dataset org/texts: the connection to the Hub failed" in down.stderr
