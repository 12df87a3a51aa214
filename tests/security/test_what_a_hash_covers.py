"""Kind 5: what decides a number is inside a hash, and no record takes the place of another model's."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import shape_audit
from shape_audit.errors import CorruptFileError, NotAuditableError
from shape_audit.leaderboard.build.record_folder import read_records
from shape_audit.records import AuditRecord, findings_sha256, read_record, record_file_name, write_record
from tests.conftest import Program
from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.faults import Redirect

FEW = {"windows": 32, "seq_len": 16, "micro_batch": 4}


@pytest.fixture
def model(tiny_llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_llama, tmp_path / "model"))


def shape_of(folder: Path, **how: Any) -> AuditRecord:
    return shape_audit.audit(str(folder), shape_only=True, **how)


def settings(folder: Path, text: str) -> None:
    (folder / "tokenizer_config.json").write_text(text)


@pytest.mark.parametrize(
    "name",
    ["adapter_config.json", "adapter_model.safetensors", "adapter_model.bin", "generation_config.json",
     "chat_template.jinja", "chat_template.json", "additional_chat_templates/tool.jinja", "tokenizer.4.0.0.json",
     "spiece.model", "quantize_config.json", "hf_quant_config.json"],
)  # fmt: skip
def test_a_file_that_loading_follows_changes_the_revision(model: Path, name: str) -> None:
    revisions = {shape_of(model).model.revision}
    (model / name).parent.mkdir(exist_ok=True)
    for content in (b"{}", b'{"r": 8}'):
        (model / name).write_bytes(content)
        revisions.add(shape_of(model).model.revision)
    assert len(revisions) == 3


@pytest.mark.parametrize("key", ["fast_tokenizer_files", "fast_tokenizer\\u005ffiles", "\\u0066ast_tokenizer_files"])
def test_tokenizer_files_named_by_settings_are_covered_however_they_are_spelled(model: Path, key: str) -> None:
    settings(model, f'{{"{key}": ["side/mine.json"], "tokenizer_class": "PreTrainedTokenizerFast"}}')
    (model / "side").mkdir()
    found = set()
    for content in ("{}", '{"a": 1}'):
        (model / "side" / "mine.json").write_text(content)
        found.add(shape_of(model).model.revision)
    assert len(found) == 2
    with pytest.raises(NotAuditableError, match="names other files to load"):
        shape_audit.audit(str(model), **FEW)


def test_a_tokenizer_in_a_folder_that_settings_name_is_covered(model: Path) -> None:
    (model / "side").mkdir()
    settings(model, '{"tokenizer_file": "s\\u0069de"}')
    found = set()
    for content in ("{}", '{"a": 1}'):
        (model / "side" / "tokenizer.json").write_text(content)
        found.add(shape_of(model).model.revision)
    assert len(found) == 2


def test_the_tokenizer_above_a_subfolder_is_covered_where_it_is_used(tiny_llama: Path, tmp_path: Path) -> None:
    inside = Path(shutil.copytree(tiny_llama, tmp_path / "model" / "inside"))
    for file in inside.glob("tokenizer*"):
        file.rename(tmp_path / "model" / file.name)
    before = shape_of(tmp_path / "model", subfolder="inside").model.revision
    settings(tmp_path / "model", '{"a": 1}')
    assert shape_of(tmp_path / "model", subfolder="inside").model.revision != before


def test_what_no_loader_follows_changes_nothing(model: Path) -> None:
    before = shape_of(model).model.revision
    (model / "README.md").write_text("words")
    (model / "trainer_state.json").write_text("{}")
    assert shape_of(model).model.revision == before


def test_names_that_lead_out_of_the_folder_are_not_read(model: Path) -> None:
    settings(model, json.dumps({"a": ["../outside.json", "/etc/passwd", "\x00", "x" * 5000, ""]}))
    (model.parent / "outside.json").write_text("1")
    before = shape_of(model).model.revision
    (model.parent / "outside.json").write_text("2")
    assert shape_of(model).model.revision == before


@pytest.fixture(scope="module")
def saved(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of partial results, after a run that has saved some."""
    partial = tmp_path_factory.mktemp("saved") / "partial"
    shape_audit.audit(str(tiny_llama), partial=partial, **FEW)
    return partial


def doubled(tensors: dict[str, Any]) -> None:
    tensors["embedding/sum"] *= 2


def narrowed(tensors: dict[str, Any]) -> None:
    for name in list(tensors):
        if name.endswith("/diagonal"):
            tensors[name] = tensors[name][:, :5].contiguous()


def single(tensors: dict[str, Any]) -> None:
    tensors["losses"] = tensors["losses"].float()


def cut(tensors: dict[str, Any]) -> None:
    tensors["block.0/sum"] = tensors["block.0/sum"][:3].contiguous()


@pytest.mark.parametrize(
    ("change", "is_rehashed"), [(doubled, False), (narrowed, False), (narrowed, True), (single, True), (cut, True)]
)
def test_changed_partial_sums_are_set_aside_in_one_line(
    tiny_llama: Path, saved: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], is_rehashed: bool
) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    from shape_audit.auditing.partial_results import DAMAGED, STATE, _sha256

    partial = Path(shutil.copytree(saved, tmp_path / "partial"))
    (state,) = partial.glob(f"*/{STATE}")
    with safe_open(state, "pt") as stream:
        kept = json.loads(stream.metadata()["saved"])
        tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    change(tensors)
    if is_rehashed:
        kept["sha256"] = _sha256(tensors, kept["facts"], kept["numbers"])
    save_file(tensors, state, metadata={"saved": json.dumps(kept)})
    record = shape_audit.audit(str(tiny_llama), partial=partial, **FEW)
    assert len([note for note in record.notes if "were damaged; set aside" in note]) == 1
    assert (state.parent / DAMAGED).is_file()
    straight = shape_audit.audit(str(tiny_llama), **FEW)
    assert record.interaction == straight.interaction


def test_a_records_date_is_inside_its_hash(tiny_llama: Path, tmp_path: Path) -> None:
    record = shape_of(tiny_llama)
    path = write_record(record, tmp_path)
    content = json.loads(path.read_text())
    content["environment"]["date"] = "2099-01-01T00:00:00+00:00"
    path.write_text(json.dumps(content))
    with pytest.raises(CorruptFileError, match="does not fit its record_sha256"):
        read_record(path)


def test_a_record_of_before_the_date_was_hashed_is_read_and_verified_by_its_own_rule(
    tiny_llama: Path, tmp_path: Path
) -> None:
    record = shape_of(tiny_llama)
    old = record.model_copy(update={"record_sha256": findings_sha256(record)})
    path = write_record(old, tmp_path)
    assert read_record(path) == old
    path.write_text(path.read_text().replace('"num_hidden_layers": 2', '"num_hidden_layers": 3'))
    with pytest.raises(CorruptFileError, match="does not fit its record_sha256"):
        read_record(path)


NAMES = ["ü", "ö", "a b", "a?b", "a-b", "x" * 80 + "1", "x" * 80 + "2", "a--b", "builtin-bytes-1m", ".a", "a"]


def test_no_two_models_share_a_records_name(tiny_llama: Path) -> None:
    record = shape_of(tiny_llama)
    identities = [record.model.model_copy(update={"repo_id": name}) for name in NAMES]
    identities += [record.model.model_copy(update={"repo_id": "a/b", "source": "hub"})]
    identities += [record.model.model_copy(update={"repo_id": "builtin:bytes-1m", "source": "builtin"})]
    identities += [record.model.model_copy(update=more) for more in ({"subfolder": "one"}, {"subfolder": "two"},
                                                                     {"variant": "one"})]  # fmt: skip
    names = [record_file_name(record.model_copy(update={"model": one})) for one in identities]
    assert len({name.casefold() for name in names}) == len(names)
    assert all(name.isascii() and len(name) < 160 and "/" not in name for name in names)


@pytest.mark.parametrize(
    ("source", "name", "begins"),
    [("hub", "org/name", "org--name__"), ("builtin", "builtin:bytes-1m", "builtin-bytes-1m__"),
     ("folder", "a.b_c-d", "a.b_c-d__")],
)  # fmt: skip
def test_plain_names_keep_the_file_names_they_had(tiny_llama: Path, source: Any, name: str, begins: str) -> None:
    record = shape_of(tiny_llama)
    model = record.model.model_copy(update={"repo_id": name, "source": source})
    assert record_file_name(record.model_copy(update={"model": model})).startswith(begins)


def test_a_record_under_an_older_name_is_found_by_that_name(tiny_llama: Path, tmp_path: Path) -> None:
    record = shape_of(tiny_llama)
    (tmp_path / "records").mkdir()
    path = write_record(record, tmp_path / "records").rename(tmp_path / "records" / "model__0123__shape.json")
    assert read_records(tmp_path).names == {record.record_sha256: path.name}


def test_a_hub_that_answers_for_another_name_is_told(hub: LoopbackHub, program: Program, tiny_llama: Path) -> None:
    hub.add_model("new/name", tiny_llama)
    hub.fault(Redirect("/api/models/new/name?blobs=true", hub_headers=False), on="GET /api/models/old/name")
    done = program("audit", "old/name", "--shape-only", "-f", "json", HF_ENDPOINT=hub.endpoint)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["model"]["repo_id"] == "new/name"
    assert any("old/name was asked for, and the Hub answered with new/name" in note for note in record["notes"])


@pytest.mark.parametrize("form", ["text", "json", "markdown", "github", "sarif", "junit"])
def test_and_check_tells_it_in_every_form(form: str, hub: LoopbackHub, program: Program, tiny_llama: Path) -> None:
    hub.add_model("new/name", tiny_llama)
    hub.fault(Redirect("/api/models/new/name?blobs=true", hub_headers=False), on="GET /api/models/old/name")
    done = program("check", "old/name", "-f", form, HF_ENDPOINT=hub.endpoint)
    assert "old/name was asked for, and the Hub answered with new/name" in " ".join(done.stdout.split())
