"""What a user may say about where weights live."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shape_audit.errors import UsageError
from shape_audit.models import parse_device_map, parse_max_memory


def test_names_and_files(tmp_path: Path) -> None:
    assert [parse_device_map(name) for name in ("auto", "balanced", "cpu", "disk")] == [
        "auto", "balanced", "cpu", "disk"
    ]  # fmt: skip
    file = tmp_path / "map.json"
    written = '{"model.embed_tokens": 0, "model.layers": "disk", "lm_head": "cuda", "model.norm": "cuda:1"}'
    file.write_text(written, encoding="utf-8-sig")  # with a byte-order mark
    assert parse_device_map(str(file)) == {
        "model.embed_tokens": "cuda:0", "model.layers": "disk", "lm_head": "cuda:0", "model.norm": "cuda:1"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "not a JSON file"),
        ("[" * 100_000, "not a JSON file"),
        ("\xff", "not a JSON file"),
        ("[]", "must be an object"),
        ("{}", "must be an object"),
        ('{"lm_head": "tpu"}', "lm_head: no such device: 'tpu'"),
        ('{"lm_head": true}', "no such device: True"),
        ('{"lm_head": -1}', "no such device: 'cuda:-1'"),
        ('{"lm_head": ["cpu"]}', "no such device"),
    ],
)
def test_files_that_are_no_map(content: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "map.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=says):
        parse_device_map(str(file))


def test_neither_a_name_nor_a_file(tmp_path: Path) -> None:
    for text in ("gpu", "", str(tmp_path), str(tmp_path / "gone.json")):
        with pytest.raises(UsageError, match="--device-map must be one of auto, balanced, cpu, disk or a JSON file"):
            parse_device_map(text)


def test_sizes() -> None:
    assert parse_max_memory("cuda:0=20GiB,cpu=4GiB") == {"cuda:0": 20 * 2**30, "cpu": 4 * 2**30}
    assert parse_max_memory(" cuda = 1.5gb , cpu=7 ") == {"cuda:0": 1_500_000_000, "cpu": 7}
    assert parse_max_memory("cpu=512kB") == {"cpu": 512_000}


@pytest.mark.parametrize(
    "text", ["", "cpu", "cpu=", "cpu=x", "cpu=4 apples", "disk=1GB", "cpu=1,cpu=2", "tpu=1", "cpu=-1"]
)
def test_lists_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="--max-memory"):
        parse_max_memory(text)


@given(st.text(max_size=40))
def test_any_text_is_a_list_or_a_usage_error(text: str) -> None:
    try:
        assert all(size >= 0 for size in parse_max_memory(text).values())
    except UsageError as error:
        assert "\n" not in str(error)
