"""Object stores, with fsspec's own memory in their place: what a board's life looks like there."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from shape_audit.auditing import AuditOptions, audit
from shape_audit.errors import IncompleteError, MissingExtraError, UsageError
from shape_audit.leaderboard import Manifest, build_leaderboard, read_board, read_manifest, render, verify
from shape_audit.places import Url
from shape_audit.records import read_record
from shape_audit.storage import is_record, keep_record, records_of, working_copy
from shape_audit.storage.objects import ObjectStore
from shape_audit.storage.opening import opened

BOARD = {"models": [{"names": ["builtin:bytes-1m", "./gone"]}]}
ANY = Url("memory", "bucket/place")


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """Path -> content of all that lies in memory://; copies are kept for this test alone."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    files = fsspec.filesystem("memory")
    files.store.clear()
    yield files.store
    files.store.clear()


def put(path: str, content: bytes) -> None:
    """Another machine writes a file."""
    fsspec.filesystem("memory").pipe_file(f"/bucket/place/{path}", content)


def held(bucket: dict[str, bytes]) -> dict[str, bytes]:
    files = fsspec.filesystem("memory")
    return {path.removeprefix("/bucket/place/"): files.cat_file(path) for path in bucket}


def test_a_board_is_built_rendered_and_verified_where_it_lies(bucket: dict[str, bytes], tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    pytest.importorskip("statsmodels")
    board = build_leaderboard(Manifest.model_validate(BOARD), str(ANY))
    assert board is not None and read_board(str(ANY)) == board
    assert [row.failure for row in board.rows if row.failure] == ["no such folder"]
    assert ANY / "index.html" in render(board, ANY) and verify(ANY) == []
    folders = {path.rpartition("/")[0] for path in held(bucket)}
    assert folders == {"", "records", "failures"}, "partial sums and what keeps a copy stay here"

    there = tmp_path / "there"
    for path, content in held(bucket).items():
        (there / path).parent.mkdir(parents=True, exist_ok=True)
        (there / path).write_bytes(content)
    assert verify(there) == [] and build_leaderboard(Manifest.model_validate(BOARD), there) == board

    mended = Manifest.model_validate({"models": [{"names": ["builtin:bytes-1m"]}]})
    build_leaderboard(mended, ANY)
    (tmp_path / "home").rename(tmp_path / "other machine")
    assert [row.model for row in read_board(ANY).rows] == ["builtin:bytes-1m"]


def test_records_come_from_audits_and_go_to_whoever_reads_them(bucket: dict[str, bytes], tmp_path: Path) -> None:
    record = audit("builtin:bytes-1m", AuditOptions.of(shape_only=True, records=str(ANY)))
    assert [path for path in held(bucket) if not is_record(path)] == [] and records_of(ANY) == [record]
    put("notes.txt", b"not a record")
    (name,) = (path for path in held(bucket) if is_record(path))
    put(name, b"{}" + held(bucket)[name])
    with pytest.raises(Exception, match="not a JSON file") as refused:
        records_of(ANY)
    assert f"{ANY}/{name}" in str(refused.value), "the user knows the URL, not the copy"
    with pytest.raises(UsageError, match="memory://bucket/none: there are no records"):
        records_of("memory://bucket/none")


def test_manifest_and_result_files_may_lie_there_too(bucket: dict[str, bytes], tmp_path: Path) -> None:
    put(
        "board.toml", b'[[models]]\nnames = ["builtin:bytes-1m"]\n[scores]\nfiles = ["memory://bucket/place/results"]\n'
    )
    found = read_manifest("memory://bucket/place/board.toml")
    assert found.scores.files == ("memory://bucket/place/results",)
    put("results/org__name/results_2024.json", b'{"results": {}}')
    board = build_leaderboard(found, tmp_path / "board")
    assert board is not None and any("results_2024.json" in note for note in board.notes), board.notes


def test_of_two_writers_the_last_has_the_file_and_unsent_work_is_sent_later(bucket: dict[str, bytes]) -> None:
    with working_copy(ANY, is_record, writes=True) as copy:
        for name in ("mine.json", "both.json", "later.json"):
            (copy.folder / name).write_bytes(b"first")
    with working_copy(ANY, is_record) as copy:  # a run that is killed before it sends
        (copy.folder / "both.json").write_bytes(b"mine")
        (copy.folder / "later.json").write_bytes(b"mine")
        (copy.folder / "new.json").write_bytes(b"mine")
    put("both.json", b"theirs")
    put("../escaped.json", b"hostile")
    put(".hidden.json", b"hostile")
    with working_copy(ANY, is_record, writes=True) as copy:
        assert (copy.folder / "both.json").read_bytes() == b"theirs"
        assert sorted(path.name for path in copy.folder.iterdir()) == [
            "both.json",
            "later.json",
            "mine.json",
            "new.json",
        ]
        (copy.folder / "both.json").write_bytes(b"last")
    sent = {path: content for path, content in held(bucket).items() if is_record(path)}
    assert sent == {"mine.json": b"first", "both.json": b"last", "later.json": b"mine", "new.json": b"mine"}
    fsspec.filesystem("memory").rm_file("/bucket/place/mine.json")
    with working_copy(ANY, is_record, writes=True) as copy:
        assert not (copy.folder / "mine.json").exists()
    assert "mine.json" not in held(bucket), "what others have removed does not come back"


class Forbidding(MemoryFileSystem):
    """A store of which one folder may not be listed."""

    protocol = "memory"

    def ls(self, path: str, detail: bool = True, **more: Any) -> Any:
        if path.endswith("/closed"):
            raise PermissionError("Access Denied")
        return super().ls(path, detail, **more)


def test_a_folder_that_may_not_be_listed_is_no_empty_one(bucket: dict[str, bytes]) -> None:
    put("a.json", b"1")
    put("closed/b.json", b"2")
    assert ObjectStore(ANY, MemoryFileSystem()).listing().keys() == {"a.json", "closed/b.json"}
    with pytest.raises(IncompleteError, match=f"^{ANY}: no permission; see the credentials"):
        ObjectStore(ANY, Forbidding()).listing()


def test_only_what_may_be_removed_there_is(bucket: dict[str, bytes]) -> None:
    put("a.json", b"1")
    put("b.json", b"2")
    with working_copy(ANY, is_record, writes=True, removable=lambda path: path == "a.json") as copy:
        (copy.folder / "a.json").unlink()
        (copy.folder / "b.json").unlink()
    assert held(bucket) == {"b.json": b"2"}


def test_a_missing_package_is_named() -> None:
    for url, package in (
        (Url("s3", "bucket/x"), "s3fs"),
        (Url("gs", "bucket/x"), "gcsfs"),
        (Url("az", "x/y"), "adlfs"),
    ):
        if find_spec(package) is None:
            with pytest.raises(MissingExtraError, match=f"^{url.protocol}:// needs {package}: pip install {package}$"):
                opened(url)


def test_a_record_on_its_way_is_the_one_that_was_written(bucket: dict[str, bytes], tmp_path: Path) -> None:
    """Byte for byte what a folder here gets."""
    record = audit("builtin:bytes-1m", AuditOptions.of(shape_only=True, records=tmp_path / "here"))
    (here,) = (tmp_path / "here").iterdir()
    keep_record(record, ANY)
    assert held(bucket) == {here.name: here.read_bytes()} and read_record(here) == record
