"""Records: written atomically, read back unchanged, and caught when somebody edits them."""

import json
import os
import resource
from pathlib import Path
from typing import get_args

import jsonschema
import pytest

import shape_audit
from shape_audit.auditing.phases import Phase
from shape_audit.errors import CorruptFileError, IncompleteError
from shape_audit.records import AuditRecord, read_record, record_file_name, sealed, write_record, write_text_atomically


@pytest.fixture(scope="module")
def record(tiny_llama: Path) -> AuditRecord:
    return shape_audit.audit(str(tiny_llama), windows=3, seq_len=16)


def test_a_record_reads_back_as_it_was_written(record: AuditRecord, tmp_path: Path) -> None:
    path = write_record(record, tmp_path / "new" / "folder")
    assert read_record(path) == record
    assert [file.name for file in path.parent.iterdir()] == [record_file_name(record)]


def test_the_schema_describes_the_record(record: AuditRecord) -> None:
    schema = AuditRecord.model_json_schema(by_alias=True)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(record.model_dump_json(by_alias=True)), schema)


def test_promised_keys(record: AuditRecord) -> None:
    content = json.loads(record.model_dump_json(by_alias=True))
    assert set(content) == {"schema_version", "record_sha256", "notes", "model", "shape", "placement", "shape_cost",
                            "serving", "calibration", "loss", "interaction", "weights", "use",
                            "superposition", "scores", "environment"}  # fmt: skip
    promised = {
        "model": "repo_id revision source architecture model_type family",
        "shape": "num_hidden_layers hidden_size r_dw intermediate_size num_attention_heads num_key_value_heads "
        "head_dim vocab_size tie_word_embeddings is_dense params_total params_non_embedding ledger widths",
        "placement": "interval side log_distance",
        "calibration": "dataset config revision split column text_sha256 tokenizer_sha256 adds_bos windows seq_len "
        "passage_bytes tokens bytes seed",
        "loss": "nats_per_token bits_per_byte nats_per_token_ci bits_per_byte_ci",
        "interaction": "protocol parameters dtype attn_implementation protocol_hash windows_used converged sites",
        "environment": "versions device world_size threads micro_batch wall_seconds tokens_per_second "
        "peak_memory_bytes date",
    }
    for part, keys in promised.items():
        assert set(keys.split()) <= set(content[part]), part
    site = "name width aofe aofe_ratio aofe_normalized mean_cos2 effective_rank trace spectrum"
    assert set(site.split()) <= set(content["interaction"]["sites"][0])
    block = "name block_influence update_size gradient_influence first_order_saving skip_loss"
    assert set(block.split()) <= set(content["use"]["blocks"][0])
    assert {"mean_cosine", "epsilon", "capacity"} <= set(content["superposition"]["embedding"])
    assert set(content["superposition"]) == {"embedding", "unembedding"}
    cost = "yardstick basis price loss_excess loss_excess_ci best_r_dw best_r_dw_ci extrapolates"
    assert {*cost.split(), "equivalent_params_fraction"} <= set(content["shape_cost"][0])
    assert {"kv_cache_bytes_per_token", "forward_flops_per_token", "sequential_blocks"} <= set(content["serving"])
    phases = set(content["environment"]["wall_seconds"])
    assert phases == set(get_args(Phase)) and {"load", "pass", "reduce"} <= phases


def test_a_record_from_when_three_phases_were_timed_can_be_read(record: AuditRecord, tmp_path: Path) -> None:
    content = json.loads(record.model_dump_json(by_alias=True))
    content["environment"]["wall_seconds"] = {"load": 1.0, "pass": 2.0, "reduce": 3.0}
    (tmp_path / "old.json").write_text(json.dumps(content))
    wall = read_record(tmp_path / "old.json").environment.wall_seconds
    assert wall is not None and (wall.pass_, wall.imports) == (2.0, None)


def test_the_hash_leaves_out_environment_but_for_its_date(record: AuditRecord) -> None:
    elsewhere = record.environment.model_copy(update={"device": "elsewhere", "threads": 99})
    assert sealed(record.model_copy(update={"environment": elsewhere})).record_sha256 == record.record_sha256
    later = record.environment.model_copy(update={"date": "2000-01-01T00:00:00+00:00"})
    assert sealed(record.model_copy(update={"environment": later})).record_sha256 != record.record_sha256
    assert sealed(record.model_copy(update={"notes": ["x"]})).record_sha256 != record.record_sha256


def test_an_edited_record_is_caught(record: AuditRecord, tmp_path: Path) -> None:
    path = write_record(record, tmp_path)
    content = json.loads(path.read_text())
    content["shape"]["num_hidden_layers"] += 1
    path.write_text(json.dumps(content))
    with pytest.raises(CorruptFileError, match="edited by hand"):
        read_record(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "not a JSON file"),
        ("[" * 100_000, "not a JSON file"),
        ("[]", "schema version 1 to 3"),
        ('{"schema_version": 7}', "schema version 1 to 3"),
        ('{"schema_version": 2}', "not an audit record"),
        ('{"schema_version": 3}', "not an audit record"),
        ('{"schema_version": 1}', "not an audit record of schema version 1"),
        ('{"schema_version": 1, "interaction": {"sites": ["x"]}}', "not an audit record of schema version 1"),
    ],
)
def test_what_is_no_record(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(content)
    with pytest.raises(CorruptFileError, match=says):
        read_record(path)


def test_names_do_not_leave_their_folder(record: AuditRecord) -> None:
    for repo_id in ("../../etc/passwd", "org/name", "builtin:x", "a b\n\0", "..", "ü" * 300):
        model = record.model.model_copy(update={"repo_id": repo_id})
        name = record_file_name(record.model_copy(update={"model": model}))
        assert "/" not in name and not name.startswith(".") and len(name) < 200 and name.isascii()


def test_a_full_disk_leaves_the_earlier_file(record: AuditRecord, tmp_path: Path) -> None:
    path = write_record(record, tmp_path)
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(IncompleteError, match=r"could not be written .*--records"):
            write_record(record, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_what_a_killed_writer_left_is_swept_by_the_next(tmp_path: Path) -> None:
    old, young = tmp_path / ".r.json.1.ab.tmp", tmp_path / ".r.json.2.cd.tmp"
    for path in (old, young):
        path.write_text("half")
    os.utime(old, (0, 0))
    write_text_atomically(tmp_path / "r.json", "{}")
    assert not old.exists() and young.exists()


def test_a_written_file_is_as_readable_as_any_other(tmp_path: Path) -> None:
    write_text_atomically(tmp_path / "a", "x")
    (tmp_path / "b").write_text("x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode
