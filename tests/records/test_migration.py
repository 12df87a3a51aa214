"""Records of earlier schema versions stay readable, and say what one of today would."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import shape_audit
from shape_audit.errors import CorruptFileError
from shape_audit.records import AuditRecord, SiteInteraction, read_record, sha256_of, write_record

KEPT = sorted((Path(__file__).parent / "kept").glob("*.json"))
"""Written by 0.1.0 in schema 1, November 2026: measured at all sites and with weights, projected output, shape only,
with a linked score."""
KEPT_2 = sorted((Path(__file__).parent / "kept" / "schema-2").glob("*.json"))
"""The same in schema 2: measured, and shape only."""
SITES = next(path for path in KEPT if path.stem.endswith("__w32"))


def sites_of(record: AuditRecord) -> list[SiteInteraction]:
    return record.interaction.sites if record.interaction else []


def lost(before: Any, now: Any, at: str = "") -> Iterator[str]:
    """Where JSON of today has another value than it had; keys may be added."""
    if isinstance(before, dict):
        for key, value in before.items():
            yield from lost(value, now[key], f"{at}.{key}".lstrip("."))
    elif isinstance(before, list) and len(before) == len(now):
        for number, value in enumerate(before):
            yield from lost(value, now[number], f"{at}.{number}")
    elif before != now:
        yield at


@pytest.mark.parametrize("path", KEPT_2, ids=lambda path: path.stem)
def test_records_of_schema_2_stay_readable(path: Path, tmp_path: Path) -> None:
    content, record = json.loads(path.read_text()), read_record(path)
    assert (content["schema_version"], record.schema_version) == (2, 3)
    now = json.loads(record.model_dump_json(by_alias=True))
    assert {*lost(content, now)} == {"schema_version", "record_sha256"}, "all else is as it was"
    assert (
        now["model"].items() - content["model"].items()
        == dict.fromkeys(("released", "license", "license_link", "branch")).items()
    )
    assert read_record(write_record(record, tmp_path)) == record, "as a record of today it has a hash of its own"
    content["shape"]["hidden_size"] += 1
    (tmp_path / "edited.json").write_text(json.dumps(content))
    with pytest.raises(CorruptFileError, match="edited by hand"):
        read_record(tmp_path / "edited.json")


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_records_of_schema_1_stay_readable(path: Path, tmp_path: Path) -> None:
    content, record = json.loads(path.read_text()), read_record(path)
    assert (content["schema_version"], record.schema_version) == (1, 3)
    missing = {"schema_version", "record_sha256"}
    assert {*lost(content, json.loads(record.model_dump_json(by_alias=True)))} == missing, "all else is as it was"
    for site in sites_of(record):
        assert (site.channel_alignment is None) == (site.aofe_ratio is None)
    assert read_record(write_record(record, tmp_path)) == record, "as a record of today it has a hash of its own"


def test_what_is_added_is_what_an_audit_of_today_finds() -> None:
    old, new = read_record(SITES), shape_audit.audit("builtin:bytes-1m", windows=32, seq_len=64, sites="all")
    for before, after in zip(sites_of(old), sites_of(new), strict=True):
        for form in ("", "_raw", "_plugin"):
            for name in ("aofe_ratio_random_basis", "aofe_ratio_excess", "channel_alignment"):
                found, expected = getattr(before, name + form), getattr(after, name + form)
                # float32 gradients differ in the last digits between processors; a quotient without its own correction
                assert found == pytest.approx(expected, rel=1e-3, abs=3e-4 if name == "channel_alignment" else 1e-5)
        assert before.aofe_ratio_random_basis_ci == pytest.approx(after.aofe_ratio_random_basis_ci, rel=1e-4)
        assert before.aofe_ratio_excess_ci is before.channel_alignment_ci is None
        assert after.aofe_ratio_excess_ci is not None and after.channel_alignment_ci is not None


def test_an_edited_record_of_schema_1_is_caught(tmp_path: Path) -> None:
    content = json.loads(SITES.read_text())
    content["interaction"]["sites"][0]["aofe_ratio"] += 0.1
    (tmp_path / "record.json").write_text(json.dumps(content))
    with pytest.raises(CorruptFileError, match="edited by hand"):
        read_record(tmp_path / "record.json")


def test_a_record_of_schema_1_from_before_a_key_was_added_keeps_its_hash(tmp_path: Path) -> None:
    """`heaviest_window` came without a new schema: files that lack it mean null, and are hashed with it."""
    content = json.loads(SITES.read_text())
    for site in content["interaction"]["sites"]:
        site["heaviest_window"] = None
    hashed = {key: value for key, value in content.items() if key not in ("record_sha256", "environment")}
    content["record_sha256"] = sha256_of(hashed)
    for site in content["interaction"]["sites"]:
        del site["heaviest_window"]
    (tmp_path / "record.json").write_text(json.dumps(content))
    assert sites_of(read_record(tmp_path / "record.json"))[0].heaviest_window is None
