"""What a user may write for a place: a path, or a URL that shows no secret."""

from pathlib import Path

import pytest

from shape_audit.auditing import AuditOptions
from shape_audit.errors import UsageError
from shape_audit.places import Url, place_of


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ("records", Path("records")),
        (Path("s3:/bucket"), Path("s3:/bucket")),
        ("file:///data/my%20records/", Path("/data/my records")),
        ("file://localhost/data", Path("/data")),
        ("S3://bucket/a@b/", Url("s3", "bucket/a@b")),
        ("hf://datasets/org/board@v1/records", Url("hf", "datasets/org/board@v1/records")),
        ("abfss://box@account.dfs.core.windows.net/x", Url("abfss", "box@account.dfs.core.windows.net/x")),
    ],
)  # fmt: skip
def test_a_place_is_a_path_or_a_url(given: str | Path, place: Path | Url) -> None:
    assert place_of(given) == place
    assert AuditOptions.of(records=given).keep.records == place


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("s4://bucket", "those are file://, hf://, s3://"),
        ("sftp://host/records", "not a place where records can be kept"),
        ("simplecache::s3://bucket/records", "not a place where records can be kept"),
        ("file://records", "absolute path"),
        ("hf://", "names no folder"),
        ("s3://key:se/cret@bucket/records", "s3fs finds credentials in its own settings"),
        ("gs://bucket/records?signature=secret", "gcsfs finds credentials in its own settings"),
    ],
)
def test_what_is_no_place_is_refused_without_repeating_a_secret(given: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        AuditOptions.of(records=given)
    assert "cret" not in str(refused.value)
