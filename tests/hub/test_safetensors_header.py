"""Headers are untrusted input: what is right is read, whatever is wrong is refused in one line."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from shape_audit.errors import CorruptFileError
from shape_audit.hub.safetensors_header import parse_header, read_header


def written(tmp_path: Path, header: object, data: bytes = b"", *, raw: bytes | None = None) -> Path:
    text = raw if raw is not None else json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(shape: object = (2,), offsets: object = (0, 8), dtype: object = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def test_a_file_the_library_wrote(tmp_path: Path) -> None:
    import numpy as np

    path = tmp_path / "model.safetensors"
    path.write_bytes(save({"a": np.zeros((3, 4), np.float16), "b": np.zeros((), np.int64)}, metadata={"format": "pt"}))
    headers, raw = read_header(path)
    assert {name: (h.dtype, h.shape, h.numel) for name, h in headers.items()} == {
        "a": ("F16", (3, 4), 12),
        "b": ("I64", (), 1),
    }
    assert path.read_bytes().startswith(raw)


@pytest.mark.parametrize(
    ("header", "data", "says"),
    [
        ([], b"", "not a JSON object"),
        ({"a": entry()}, b"1234567", "truncated"),
        ({"a": entry()}, b"123456789", "longer than its header says"),
        ({"a": entry(), "b": entry(offsets=(4, 12))}, b"0" * 12, "overlaps"),
        ({"a": entry(), "b": entry(offsets=(12, 20))}, b"0" * 20, "leaves a hole"),
        ({"a": entry(offsets=(8, 0))}, b"", "gives it -8 bytes"),
        ({"a": entry(offsets=(0, 4))}, b"1234", "gives it 4 bytes"),
        ({"a": entry(shape=(-2,))}, b"", "malformed shape"),
        ({"a": entry(shape=(True, 2))}, b"", "malformed shape"),
        ({"a": entry(shape=(2.0,))}, b"", "malformed shape"),
        ({"a": entry(shape=2**70)}, b"", "malformed"),
        ({"a": entry(shape=(2**70,))}, b"", "malformed shape"),
        ({"a": entry(shape="22")}, b"", "malformed"),
        ({"a": entry(dtype="F31")}, b"12345678", "unknown dtype 'F31'"),
        ({"a": entry(dtype=["F32"])}, b"12345678", "unknown dtype"),
        ({"a": entry(offsets=(0, 8, 9))}, b"12345678", "malformed entry"),
        ({"a": 7}, b"", "malformed entry"),
        ({"__metadata__": {"step": 1}, "a": entry()}, b"12345678", "__metadata__ of its header holds something else"),
        ({"__metadata__": "pt", "a": entry()}, b"12345678", "__metadata__ of its header"),
        ({"a": {}}, b"", "malformed entry"),
        ({"a": None}, b"", "malformed entry"),
        ({"a": entry(shape=[1] * 200_000)}, b"", "impossible name or number of dimensions"),
        ({"norm" * 50_000: entry()}, b"12345678", "impossible name or number of dimensions"),
    ],
)
def test_damage_is_named(tmp_path: Path, header: object, data: bytes, says: str) -> None:
    with pytest.raises(CorruptFileError, match=says):
        read_header(written(tmp_path, header, data))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "too short"),
        (b"1234567", "too short"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS in place of the file"),
        (b"\xff" * 8, "announces a header of 18,446,744,073,709,551,615 bytes"),
        ((10**6).to_bytes(8, "little") + b"{}", "truncated inside its header"),
        (b"\x02" + b"\0" * 7 + b"\xff\xfe", "not JSON"),
        (b"PK\x03\x04" + b"\0" * 60, "not JSON|truncated|announces"),
    ],
)
def test_what_is_no_safetensors_file(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=says):
        read_header(path)


def test_duplicate_keys_and_nesting_bombs(tmp_path: Path) -> None:
    one = json.dumps(entry()).encode()
    with pytest.raises(CorruptFileError, match="names a key twice"):
        read_header(written(tmp_path, None, b"12345678", raw=b'{"a":' + one + b',"a":' + one + b"}"))
    with pytest.raises(CorruptFileError, match="not JSON"):
        read_header(written(tmp_path, None, raw=b'{"a":' * 100_000))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
near_entries = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "BF16", "F4", "nope"]) | json_values,
        "shape": st.lists(st.integers(-1, 2**40), max_size=3) | json_values,
        "data_offsets": st.lists(st.integers(-1, 64), min_size=2, max_size=2) | json_values,
    }
)


@given(st.dictionaries(st.text(max_size=4), near_entries | json_values, max_size=4) | json_values, st.integers(0, 200))
def test_any_header_is_read_or_refused(header: object, file_size: int) -> None:
    raw = json.dumps(header).encode()
    try:
        parsed = parse_header(raw, file="model.safetensors", file_size=file_size)
    except CorruptFileError as error:
        assert str(error).startswith("model.safetensors: ")
    else:
        assert 8 + len(raw) <= file_size or not parsed


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        assert parse_header(raw, file="model.safetensors", file_size=8 + len(raw)) == {}
    except CorruptFileError as error:
        assert str(error).startswith("model.safetensors: ")
