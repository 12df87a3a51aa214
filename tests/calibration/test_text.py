"""Calibration texts, byte for byte."""

import bz2
import gzip
import hashlib
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import IO

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


def test_a_separated_table_is_read_by_its_first_row(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b'\xef\xbb\xbfid,text\r\n1,"one, ""two""\nthree"\r\n\r\n2,four\r\n')
    assert read_text(tmp_path / "rows.csv").content == b'one, "two"\nthree\nfour\n'
    (tmp_path / "rows.TSV").write_text("text\tid\n" + "long " * 100_000 + "\t1\n")
    assert len(read_text(tmp_path / "rows.TSV").content) == 500_001
    with pytest.raises(UsageError, match="no column body; text columns are: id, text"):
        read_text(tmp_path / "rows.csv", column="body")
    (tmp_path / "rows.csv").write_text("id,text\n1,one, two\n")
    with pytest.raises(CorruptFileError, match="line 2 has 3 fields, not 2; are fields with a comma in double quotes"):
        read_text(tmp_path / "rows.csv")
    (tmp_path / "rows.csv").write_bytes(b"")
    with pytest.raises(UsageError, match="no column text; text columns are: none"):
        read_text(tmp_path / "rows.csv")


@pytest.mark.parametrize(("ending", "opener"), [(".gz", gzip.open), (".bz2", bz2.open), (".XZ", lzma.open)])
def test_compressed_files_are_unpacked(tmp_path: Path, ending: str, opener: Callable[..., IO[bytes]]) -> None:
    for name, content, expected in (
        ("a.txt", "zwölf\r\n", "zwölf\r\n"),
        ("a.Jsonl", '{"text": "eins"}', "eins\n"),
        ("a.csv", "text\neins\n", "eins\n"),
    ):
        path = tmp_path / (name + ending)
        with opener(path, "wb") as stream:
            stream.write(content.encode())
        assert read_text(path).content.decode() == expected
        path.write_bytes(path.read_bytes()[:-5])
        with pytest.raises(CorruptFileError, match="damaged"):
            read_text(path)
        path.write_bytes(b"no compressed file at all")
        with pytest.raises(CorruptFileError, match="damaged"):
            read_text(path)


def test_a_folder_is_all_its_texts_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.TXT").write_text("two")
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "c.jsonl").write_text('{"text": "three"}')
    for name in ("README.md", ".hidden.txt", "b/data.bin"):
        (tmp_path / name).write_text("not this")
    text = read_text(tmp_path)
    assert text.content == b"one\ntwo\nthree\n" and (text.dataset, text.column) == (tmp_path.name, "text")
    (tmp_path / "c.jsonl").unlink()
    assert read_text(f"{tmp_path}/").content == b"one\ntwo\n" and read_text(tmp_path).column is None
    (tmp_path / "empty").mkdir()
    with pytest.raises(IncompleteError, match=r"a folder without any \.txt"):
        read_text(tmp_path / "empty")
    for several in (f"{tmp_path}/a.txt,{tmp_path}/b/2.TXT", f"{tmp_path}/*.txt"):
        with pytest.raises(IncompleteError, match="put several files into one of their own"):
            read_text(several)


def test_marks_of_an_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes('{"text": "größer"}'.encode("utf-8-sig"))
    assert read_text(tmp_path / "a.jsonl").content == "größer\n".encode()
    for encoding in ("utf-16", "utf-32"):
        (tmp_path / "a.txt").write_bytes("größer".encode(encoding))
        with pytest.raises(CorruptFileError, match=f"not UTF-8 .*its first bytes say {encoding.upper()}"):
            read_text(tmp_path / "a.txt")


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
    for name in ("a.md", "a", "a.parquet.gz", "a.txt.zst"):
        (tmp_path / name).write_text("x")
        with pytest.raises(UsageError, match=r"ending is none that can be read; it must be a \.txt, \.jsonl, \.csv"):
            read_text(tmp_path / name)
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
    for name in ("gone.txt", "./a/b", "a/b.parquet", "org/na me", ""):
        with pytest.raises(IncompleteError, match="no such file; --dataset takes"):
            read_text(name)
    with pytest.raises(UsageError, match="--split is for datasets of the Hub"):
        (tmp_path / "a.txt").write_text("x")
        read_text(str(tmp_path / "a.txt"), split="test")
