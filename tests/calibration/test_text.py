"""Calibration texts, byte for byte."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shape_audit.calibration import read_text
from shape_audit.calibration import text as text_module
from shape_audit.errors import CorruptFileError, IncompleteError, UsageError


def parquet(tmp_path: Path, **columns: list[object]) -> Path:
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet", row_group_size=2)
    return tmp_path / "rows.parquet"


def test_a_text_file_is_taken_byte_by_byte(tmp_path: Path) -> None:
    content = "\ufeffzwölf\r\n\n no newline translation\r end".encode()
    (tmp_path / "a.txt").write_bytes(content)
    text = read_text(str(tmp_path / "a.txt"))
    assert text.content == content and text.dataset == "a.txt" and text.column is None
    assert text.sha256 == hashlib.sha256(content).hexdigest()


def test_rows_in_order_each_with_a_line_end(tmp_path: Path) -> None:
    path = parquet(tmp_path, text=["one", "two\n", "", None, "größer\r", "\n"], other=[1, 2, 3, 4, 5, 6])
    text = read_text(str(path))
    assert text.content == "one\ntwo\n\ngrößer\r\n".encode()
    assert text.column == "text"


def test_the_built_in_text_is_the_pydoc_topics() -> None:
    from pydoc_data import topics

    text = read_text("builtin:python-docs")
    first = topics.topics[min(topics.topics)]
    assert text.content.startswith(first.encode()) and len(text.content) > 196_608


def test_columns_that_are_not_there_are_answered_with_those_that_are(tmp_path: Path) -> None:
    path = parquet(tmp_path, body=["x"], title=["y"], n=[1])
    with pytest.raises(UsageError, match="no column text; text columns are: body, title"):
        read_text(str(path))
    with pytest.raises(UsageError, match="column n holds no text; text columns are: body, title"):
        read_text(str(path), column="n")
    assert read_text(str(path), column="title").content == b"y\n"


def test_empty_columns_and_files(tmp_path: Path) -> None:
    for rows in ([None, None], ["", " "], []):
        path = parquet(tmp_path, text=pa.array(rows, pa.string()))
        with pytest.raises(IncompleteError, match="column text is empty"):
            read_text(str(path))


def test_bad_files(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes("größer".encode("latin-1"))
    with pytest.raises(CorruptFileError, match=r"not UTF-8 \(byte 2\)"):
        read_text(str(tmp_path / "latin.txt"))
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing else")
    with pytest.raises(CorruptFileError, match="not a parquet file"):
        read_text(str(tmp_path / "bad.parquet"))
    whole = parquet(tmp_path, text=["abc" * 1000] * 10).read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptFileError, match="not a parquet file"):
        read_text(str(tmp_path / "cut.parquet"))
    with pytest.raises(IncompleteError, match="no such file"):
        read_text(str(tmp_path / "gone.txt"))
    (tmp_path / "a.csv").write_text("x")
    with pytest.raises(UsageError, match=r"not a \.txt, \.jsonl or \.parquet file"):
        read_text(str(tmp_path / "a.csv"))
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(UsageError, match="--text-column is for tables"):
        read_text(str(tmp_path / "a.txt"), column="text")
    with pytest.raises(UsageError, match="there is builtin:python-docs"):
        read_text("builtin:nothing")


def test_a_table_that_unpacks_to_more_than_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "MAX_LOCAL_BYTES", 2**20)
    pq.write_table(pa.table({"text": ["x" * 1000] * 2000}), tmp_path / "bomb.parquet")
    assert (tmp_path / "bomb.parquet").stat().st_size < 10_000
    with pytest.raises(IncompleteError, match="more than 1 MiB of text"):
        read_text(str(tmp_path / "bomb.parquet"))


def test_strings_that_are_no_text(tmp_path: Path) -> None:
    broken = pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff"))
    pq.write_table(pa.table({"text": broken}), tmp_path / "t.parquet")
    with pytest.raises(CorruptFileError, match="is not UTF-8"):
        read_text(str(tmp_path / "t.parquet"))


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "one", "n": 1}\n\n{"text": null}\n{"text": "größer\\n"}\n', encoding="utf-8")
    assert read_text(str(path)).content == "one\ngrößer\n".encode()
    with pytest.raises(UsageError, match="line 1: column n holds no text; text columns are: text"):
        read_text(str(path), column="n")
    with pytest.raises(UsageError, match="line 1: no column body; text columns are: text"):
        read_text(str(path), column="body")
    for content in ("{", "[1]", "7", '{"text": "a"}\n\xff'):
        path.write_bytes(content.encode("latin-1"))
        with pytest.raises(CorruptFileError):
            read_text(str(path))


def test_dictionary_encoded_and_large_strings_are_text(tmp_path: Path) -> None:
    rows = ["b", "a", None, "b"]
    for kind in (pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())):
        path = parquet(tmp_path, text=pa.array(rows, pa.string()).cast(kind))
        assert read_text(str(path)).content == b"b\na\nb\n"


def test_what_is_neither_file_nor_dataset(tmp_path: Path) -> None:
    for name in ("gone.txt", "./a/b", "a/b.parquet", "org/na me", "", str(tmp_path)):
        with pytest.raises(IncompleteError, match="no such file; --dataset takes"):
            read_text(name)
    with pytest.raises(UsageError, match="--split is for datasets of the Hub"):
        (tmp_path / "a.txt").write_text("x")
        read_text(str(tmp_path / "a.txt"), split="test")
