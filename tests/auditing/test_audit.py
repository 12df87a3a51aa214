"""The whole run: same numbers twice, real material, and every error a user meets."""

import json
import math
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

import shape_audit
from shape_audit.auditing import AuditOptions
from shape_audit.auditing.protocol_identity import protocol_hash as hash_of_protocol
from shape_audit.calibration import read_text
from shape_audit.errors import (
    CorruptFileError,
    IncompleteError,
    NonFiniteError,
    NotAuditableError,
    UsageError,
)
from shape_audit.hub import read_checkpoint, tokenizer_sha256
from shape_audit.interaction import parse_sites
from shape_audit.interaction.twins.profile_twin import exact_sites
from shape_audit.models import LoadOptions, load_model
from shape_audit.models.blocks import find_blocks
from shape_audit.records import Calibration, Interaction, SiteInteraction, read_record
from tests.findings import findings
from tests.tiny_models import CASES, save_tiny

EAGER = {"gemma2", "gpt_neo", "gptj", "bloom"}
"""What transformers itself runs without fused attention."""
FEW = {"windows": 4, "seq_len": 16}


@pytest.fixture
def folder(tiny_llama: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(tiny_llama, tmp_path / "model"))


def change_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def test_the_same_audit_twice_is_the_same_record_bit_for_bit(tiny_llama: Path) -> None:
    one, two = (shape_audit.audit(str(tiny_llama), **FEW) for _ in range(2))
    of_the_day = {"environment", "record_sha256"}
    assert one.model_dump(exclude=of_the_day) == two.model_dump(exclude=of_the_day)
    assert findings(one) == findings(two) and "" not in (one.record_sha256, two.record_sha256)


@pytest.mark.parametrize("name", CASES)
def test_every_architecture_is_audited(name: str, tmp_path: Path) -> None:
    record = shape_audit.audit(str(save_tiny(tmp_path / name, name)), **FEW)
    assert record.interaction is not None and record.loss is not None
    expected = ("hardly knows this kind of text", "blind guessing", "too few for intervals")
    assert all(any(words in note for words in expected) for note in record.notes)
    assert [site.name for site in record.interaction.sites] == ["embedding", "block.0", "block.1"]
    assert all(site.width == 24 and site.trace > 0 for site in record.interaction.sites)
    assert record.interaction.attn_implementation == ("eager" if name in EAGER else "sdpa")
    assert 3 < record.loss.nats_per_token < 20


def test_dropout_in_the_config_changes_nothing(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "opt", "opt")
    without = shape_audit.audit(str(folder), **FEW)
    change_config(folder, dropout=0.5, attention_dropout=0.5, layerdrop=0.5)
    dropping = shape_audit.audit(str(folder), **FEW)
    assert dropping.interaction == without.interaction and dropping.loss == without.loss
    config = load_model(read_checkpoint(str(folder))).model.config
    assert [config.dropout, config.attention_dropout, config.layerdrop] == [0, 0, 0]  # training flags may be set later


def assert_same_numbers(a: SiteInteraction, b: SiteInteraction, rel: float = 1e-6) -> None:
    """Every number of two sites; ends of intervals, which amplify the spread of few windows, ten times less exact."""
    for name, value in a.model_dump(exclude={"name", "width", "spectrum", "spectrum_share"}).items():
        other = getattr(b, name)
        if isinstance(value, tuple):
            assert value == pytest.approx(other, abs=10 * rel * max(map(abs, value))), name
        else:
            near = rel * (a.aofe_plugin if name == "aofe" else 1)  # small differences of large sums, and of 1
            assert value == pytest.approx(other, rel=rel, abs=near), name


@pytest.mark.parametrize("name", ["builtin:bytes-1m", "llama", "gpt2", "opt", "olmo2", "smollm3"])
def test_fused_and_eager_attention_give_the_same_numbers(name: str, tmp_path: Path) -> None:
    """Float32 gradients of two kernels differ by some 5e-7; energies are fourth powers of them."""
    folder = name if name.startswith("builtin:") else str(save_tiny(tmp_path / name, name))
    runs = (
        shape_audit.audit(folder, windows=8, seq_len=32, attn_implementation=how).interaction
        for how in ("sdpa", "eager")
    )
    fused, eager = (run.sites if run else [] for run in runs)
    assert fused and eager
    for a, b in zip(fused, eager, strict=True):
        assert_same_numbers(a, b, 1e-5)


def test_micro_batches_change_nothing_but_rounding(tiny_llama: Path) -> None:
    runs = [shape_audit.audit(str(tiny_llama), windows=16, seq_len=16, micro_batch=b).interaction for b in (1, 7, 8)]
    one = runs[0]
    assert one is not None
    for run in runs[1:]:
        assert run is not None and run.protocol_hash == one.protocol_hash
        for a, b in zip(one.sites, run.sites, strict=True):
            assert_same_numbers(a, b)


def test_the_protocol_hash_is_of_the_protocol_and_not_of_the_sample(tiny_llama: Path) -> None:
    def protocol_hash(**options: object) -> str:
        record = shape_audit.audit(str(tiny_llama), **{**FEW, **options})
        assert record.interaction is not None
        return record.interaction.protocol_hash

    first = protocol_hash()
    assert protocol_hash(windows=5, micro_batch=2) == first
    changed = [protocol_hash(**o) for o in ({"seq_len": 17}, {"seed": 1}, {"sites": "embedding"}, {"dtype": "float64"})]
    assert len({first, *changed}) == 5


def test_every_part_of_the_protocol_is_in_its_hash() -> None:
    facts = Calibration(
        dataset="a.txt", config=None, revision=None, split=None, column=None, text_sha256="0", tokenizer_sha256="0",
        adds_bos=False, windows=4, seq_len=8, passage_bytes=96, tokens=32, bytes=30, seed=0,
    )  # fmt: skip

    def protocol_hash(sites: list[str], calibration: Calibration, **settings: object) -> str:
        profile = {"protocol_hash": "", "windows_used": 4, "converged": None, "sites": [], **settings}
        return hash_of_protocol(Interaction.model_validate(profile), sites, calibration)

    given = {"protocol": "a", "parameters": {"seed": 0}, "sites": ["embedding"], "dtype": "float32",
             "attn_implementation": "sdpa", "calibration": facts}  # fmt: skip
    first = protocol_hash(**given)
    changes = [
        {"protocol": "b"},
        {"parameters": {"seed": 1}},
        {"sites": ["block.0"]},
        {"dtype": "bfloat16"},
        {"attn_implementation": "eager"},
    ]
    changed_text = {"dataset": "b.txt", "config": "c", "revision": "r", "split": "s", "column": "t", "text_sha256": "1",
                    "seq_len": 9, "passage_bytes": 97, "seed": 1}  # fmt: skip
    changes += [{"calibration": facts.model_copy(update={key: value})} for key, value in changed_text.items()]
    hashes = {protocol_hash(**{**given, **change}) for change in changes}
    assert len(hashes) == len(changes) and first not in hashes
    assert protocol_hash(**{**given, "calibration": facts.model_copy(update={"windows": 9, "tokens": 72})}) == first


def test_every_number_of_the_record_is_the_slow_twins(tmp_path: Path) -> None:
    folder, file = save_tiny(tmp_path / "gemma2", "gemma2"), tmp_path / "windows.jsonl"
    record = shape_audit.audit(str(folder), dtype="float64", save_windows=file, **FEW)
    rows = [json.loads(line)["input_ids"] for line in file.read_text().splitlines()[1:]]
    model = load_model(read_checkpoint(str(folder)), LoadOptions(dtype="float64")).model
    truth = exact_sites(model, find_blocks(model, 2), rows, parse_sites("all", 2))
    assert record.interaction is not None and record.loss is not None and record.calibration is not None
    for site, exact in zip(record.interaction.sites, truth.values(), strict=True):
        trace2, total, diagonal = exact.trace2_u, exact.total_u, exact.diagonal_u
        aofe, plugin = total - diagonal, exact.total_plugin - exact.diagonal_plugin
        chance, chance_plugin = (
            1 - (rank + 2) / 26 for rank in (trace2 / total, exact.trace2_plugin / exact.total_plugin)
        )
        ratio, ratio_plugin = aofe / total, plugin / exact.total_plugin
        rounding = {"rounding_error", "limited_by_rounding", "heaviest_window", "heaviest_window_share"}
        left_out = {"name", "width", "spectrum", "below_noise_floor"} | rounding
        assert site.model_dump(exclude=left_out, exclude_none=True) == {
            "aofe": pytest.approx(aofe, rel=1e-9),
            "aofe_plugin": pytest.approx(plugin, rel=1e-9),
            "aofe_ratio": pytest.approx(aofe / total, rel=1e-9),
            "aofe_ratio_raw": pytest.approx(aofe / total, rel=1e-9),
            "aofe_ratio_plugin": pytest.approx(plugin / exact.total_plugin, rel=1e-9),
            "aofe_normalized": pytest.approx(aofe / trace2, rel=1e-9),
            "aofe_normalized_plugin": pytest.approx(plugin / exact.trace2_plugin, rel=1e-9),
            "aofe_normalized_raw": pytest.approx(aofe / trace2, rel=1e-9),
            "mean_cos2": pytest.approx(aofe / (trace2 - diagonal), rel=1e-9),
            "mean_cos2_raw": pytest.approx(aofe / (trace2 - diagonal), rel=1e-9),
            "mean_cos2_plugin": pytest.approx(plugin / (exact.trace2_plugin - exact.diagonal_plugin), rel=1e-9),
            "effective_rank": pytest.approx(trace2 / total, rel=1e-9),
            "effective_rank_raw": pytest.approx(trace2 / total, rel=1e-9),
            "effective_rank_plugin": pytest.approx(exact.trace2_plugin / exact.total_plugin, rel=1e-9),
            **{f"aofe_ratio_random_basis{form}": pytest.approx(chance, rel=1e-9) for form in ("", "_raw")},
            **{f"aofe_ratio_excess{form}": pytest.approx(ratio - chance, rel=1e-7) for form in ("", "_raw")},
            **{f"channel_alignment{form}": pytest.approx(1 - ratio / chance, rel=1e-7) for form in ("", "_raw")},
            "aofe_ratio_random_basis_plugin": pytest.approx(chance_plugin, rel=1e-9),
            "aofe_ratio_excess_plugin": pytest.approx(ratio_plugin - chance_plugin, rel=1e-7),
            "channel_alignment_plugin": pytest.approx(1 - ratio_plugin / chance_plugin, rel=1e-7),
            "trace": pytest.approx(float(exact.agop_DD.trace()), rel=1e-9),
        }
    ids = torch.tensor(rows)
    nats = torch.nn.functional.cross_entropy(model(ids[:, :-1]).logits.flatten(0, 1), ids[:, 1:].flatten()).item()
    assert record.loss.nats_per_token == pytest.approx(nats, rel=1e-12)
    bits = nats * record.calibration.tokens / math.log(2) / (record.calibration.bytes or 0)
    assert record.loss.bits_per_byte == pytest.approx(bits, rel=1e-12)


def test_windows_saved_and_replayed_give_the_same_numbers(tiny_llama: Path, tmp_path: Path) -> None:
    file = tmp_path / "windows.jsonl"
    cut = shape_audit.audit(str(tiny_llama), save_windows=file, **FEW)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())  # as an editor may save it
    replayed = shape_audit.audit(str(tiny_llama), windows_file=file)
    assert cut.loss == replayed.loss
    assert cut.interaction is not None and replayed.interaction is not None
    assert cut.interaction.sites == replayed.interaction.sites


def test_float16_checkpoints_are_measured_in_float32_and_bfloat16_as_they_are(tmp_path: Path) -> None:
    for stored, measured in ((torch.float16, "float32"), (torch.bfloat16, "bfloat16")):
        folder = save_tiny(tmp_path / measured, "llama")
        tensors = {k: v.to(stored) for k, v in load_file(folder / "model.safetensors").items()}
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        interaction = shape_audit.audit(str(folder), **FEW).interaction
        assert interaction is not None and interaction.dtype == measured


def test_tiny_stories(materials: Path, tmp_path: Path) -> None:
    """A real trained model on real text: loss, shape and parameters as they were found another way."""
    model = materials / "tiny-stories-260k"
    tokenizer = AutoTokenizer.from_pretrained(model)
    stories = (materials / "tiny-stories-sample" / "tinystories_sample.txt").read_text().split("<|endoftext|>")
    rows = [tokenizer(story.strip())["input_ids"][:201] for story in stories if story.strip()]
    assert len(rows) == 5 and {row[0] for row in rows} == {tokenizer.bos_token_id}
    lines = [json.dumps({"tokenizer_sha256": tokenizer_sha256(model)})]
    lines += [json.dumps({"index": i, "byte_offsets": None, "input_ids": row}) for i, row in enumerate(rows)]
    (tmp_path / "stories.jsonl").write_text("\n".join(lines))
    record = shape_audit.audit(str(model), windows_file=tmp_path / "stories.jsonl")
    assert record.loss is not None and record.calibration is not None
    assert record.loss.nats_per_token == pytest.approx(1.2287, abs=1e-3)
    assert record.calibration.seq_len == 200 and record.calibration.adds_bos
    assert record.shape.r_dw == 0.078125 and record.shape.params_total == 260_032
    assert record.placement.side == "deep-narrow"


def test_the_built_in_model_knows_its_text() -> None:
    """Far below what knowing the frequency of each byte would give."""
    record = shape_audit.audit("builtin:bytes-1m", windows=16)
    text = read_text().content
    shares = [n / len(text) for n in Counter(text).values()]
    unigram = -sum(p * math.log2(p) for p in shares)
    assert record.loss is not None and record.loss.bits_per_byte is not None
    assert record.loss.bits_per_byte < 0.55 * unigram
    assert record.placement.side == "inside" and record.notes == []
    assert 0.9e6 < record.shape.params_total < 1.1e6
    tokenizer = AutoTokenizer.from_pretrained(Path(shape_audit.__file__).parent / "data" / "builtin" / "bytes-1m")
    sentence = "naïve größer 日本\n\t\0 <s>"
    assert tokenizer(sentence)["input_ids"] == list(sentence.encode())
    assert tokenizer.decode(tokenizer(sentence)["input_ids"]) == sentence


def test_records_are_written_where_asked(tiny_llama: Path, tmp_path: Path) -> None:
    record = shape_audit.audit(str(tiny_llama), records=tmp_path / "records", **FEW)
    shape = shape_audit.audit(str(tiny_llama), records=tmp_path / "records", shape_only=True)
    files = sorted((tmp_path / "records").iterdir())
    assert {read_record(file).record_sha256 for file in files} == {record.record_sha256, shape.record_sha256}
    assert shape.interaction is shape.loss is shape.calibration is None


def test_shape_only_of_what_cannot_be_measured(folder: Path) -> None:
    change_config(folder, model_type="hrm_text", num_layers_per_stack=1)
    record = shape_audit.audit(str(folder), shape_only=True)
    assert record.notes[-1].startswith("only the shape can be audited: it runs its blocks more than once")
    with pytest.raises(NotAuditableError, match="more than once"):
        shape_audit.audit(str(folder), **FEW)


def test_keys_of_experts_make_no_mixture(folder: Path) -> None:
    change_config(folder, num_local_experts=4)
    record = shape_audit.audit(str(folder), **FEW)
    assert record.shape.is_dense and record.placement.side is not None


def test_a_gradient_or_weight_that_is_not_finite_is_named(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.1.mlp.down_proj.weight"][0, 0] = float("inf")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(NonFiniteError, match=r"logits hold NaN or infinity, from site block\.1 on"):
        shape_audit.audit(str(folder), **FEW)


def test_gradients_that_overflow_are_named_by_site(folder: Path) -> None:
    """A tiny embedding under a norm with hardly any epsilon: the loss is ordinary, its gradient there is not."""
    tensors = load_file(folder / "model.safetensors")
    tensors["model.embed_tokens.weight"] *= 1e-25
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    change_config(folder, rms_norm_eps=1e-38)
    with pytest.raises(NonFiniteError, match="gradient at site embedding is not finite"):
        shape_audit.audit(str(folder), **FEW)


def test_weights_that_lack_tensors_are_not_filled_in(folder: Path) -> None:
    change_config(folder, num_hidden_layers=3)
    with pytest.raises(IncompleteError, match="num_hidden_layers = 3, but the tensors show 2 blocks"):
        shape_audit.audit(str(folder), **FEW)


def test_attention_code_of_a_repository_is_not_fetched(folder: Path) -> None:
    change_config(folder, attn_implementation="org/kernel")
    with pytest.raises(NotAuditableError, match="asks for code of a repository \\(attn_implementation\\)"):
        shape_audit.audit(str(folder), **FEW)


@pytest.mark.parametrize("key", ["transformers_weights", "configuration_files"])
def test_files_that_the_revision_does_not_see_are_not_followed(folder: Path, key: str) -> None:
    change_config(folder, **{key: "other.safetensors"})
    with pytest.raises(NotAuditableError, match=f"names other files to load \\({key}\\)"):
        shape_audit.audit(str(folder), **FEW)


def test_a_tokenizer_by_another_name_is_not_followed(folder: Path) -> None:
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings["fast_tokenizer_files"] = ["tokenizer.4.0.0.json"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(NotAuditableError, match="names other files to load"):
        shape_audit.audit(str(folder), **FEW)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("vocab_size", 10**8, "describes .* parameters, but the weights hold"),
        ("head_dim", 10**6, "describes .* parameters, but the weights hold"),
        ("num_labels", 10**9, "labels are implausible"),
        ("hidden_act", "nope", "it does not know 'nope'"),
        ("architectures", ["\ud800"], "not valid JSON"),
    ],
)
def test_a_config_that_cannot_be_meant_costs_neither_time_nor_memory(
    folder: Path, name: str, value: object, says: str
) -> None:
    change_config(folder, **{name: value})
    with pytest.raises(IncompleteError, match=says):
        shape_audit.audit(str(folder), **FEW)


def test_a_folder_whose_name_is_no_text(tiny_llama: Path, tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/bad\xff"
    shutil.copytree(os.fsencode(tiny_llama), odd)
    record = shape_audit.audit(os.fsdecode(odd), shape_only=True, records=tmp_path / "records")
    assert record.model.repo_id == "bad\ufffd"


def test_a_promise_of_a_million_layers_is_refused_at_once(folder: Path) -> None:
    change_config(folder, num_hidden_layers=10**6)
    with pytest.raises(IncompleteError, match="num_hidden_layers = 1000000, but the tensors show 2 blocks"):
        shape_audit.audit(str(folder), **FEW)


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    change_config(folder, intermediate_size=48)
    with pytest.raises(
        IncompleteError, match="intermediate_size = 48, but the tensors show a feed-forward width of 40"
    ):
        shape_audit.audit(str(folder), **FEW)


def test_remote_code_and_unknown_architectures(folder: Path) -> None:
    change_config(folder, model_type="newest", auto_map={"AutoModelForCausalLM": "modeling_newest.Newest"})
    with pytest.raises(NotAuditableError, match="needs code from its repository"):
        shape_audit.audit(str(folder), **FEW)
    assert shape_audit.audit(str(folder), shape_only=True).shape.hidden_size == 24
    spy = folder / "ran"
    (folder / "tokenization_newest.py").write_text(f"open({str(spy)!r}, 'w')")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings |= {"auto_map": {"AutoTokenizer": ["tokenization_newest.Newest", None]}, "tokenizer_class": "Newest"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(NotAuditableError, match="needs code from its repository"):
        shape_audit.audit(str(folder), **FEW)
    assert not spy.exists()
    change_config(folder, auto_map=None)
    config = json.loads((folder / "config.json").read_text())
    del config["auto_map"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(
        NotAuditableError, match="unsupported architecture: transformers knows no causal LM of type newest"
    ):
        shape_audit.audit(str(folder), **FEW)


@pytest.mark.parametrize("files", [["tokenizer.json", "tokenizer_config.json"], ["tokenizer.json"]])
def test_no_tokenizer(folder: Path, files: list[str]) -> None:
    for name in files:
        (folder / name).unlink()
    with pytest.raises(IncompleteError, match=r"its tokenizer cannot be loaded|no tokenizer among its files"):
        shape_audit.audit(str(folder), **FEW)


def test_a_damaged_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(IncompleteError, match="its tokenizer cannot be loaded"):
        shape_audit.audit(str(folder), **FEW)


def test_options_that_cannot_be_meant(tiny_llama: Path, tmp_path: Path) -> None:
    model = str(tiny_llama)
    with pytest.raises(UsageError, match="--seq-len 65 is beyond the model's 64 positions"):
        shape_audit.audit(model, seq_len=65)
    with pytest.raises(UsageError, match="beyond the model's 64 positions"):
        shape_audit.audit(model)
    with pytest.raises(UsageError, match=r"no site 'block\.2'"):
        shape_audit.audit(model, sites="block.2", **FEW)
    with pytest.raises(UsageError, match="--windows must be at least 1"):
        shape_audit.audit(model, windows=0)
    with pytest.raises(UsageError, match="window_count"):
        shape_audit.audit(model, window_count=3)
    with pytest.raises(UsageError, match="--tolerance must be between 0 and 1"):
        shape_audit.audit(model, tolerance=0)
    with pytest.raises(UsageError, match="leave out --windows, or see --max-windows"):
        shape_audit.audit(model, tolerance=0.1, windows=8)
    with pytest.raises(UsageError, match="--max-windows goes with --tolerance"):
        shape_audit.audit(model, max_windows=8)
    with pytest.raises(UsageError, match="--protocol must be one of loss-gradient, output-gradient"):
        shape_audit.audit(model, protocol="loss")
    with pytest.raises(UsageError, match="has a site of its own; leave out --sites"):
        shape_audit.audit(model, protocol="projected-output", sites="embedding")
    with pytest.raises(UsageError, match="needs eager attention"):
        shape_audit.audit(model, protocol="projected-output", attn_implementation="sdpa")
    with pytest.raises(UsageError, match="--dtype must be one of"):
        shape_audit.audit(model, dtype="int8")
    with pytest.raises(UsageError, match="not both"):
        shape_audit.audit(model, AuditOptions(), windows=3)
    with pytest.raises(UsageError, match="leave out --windows"):
        shape_audit.audit(model, windows_file=tmp_path / "w", windows=3)
    with pytest.raises(IncompleteError, match="too little text for 300 windows"):
        shape_audit.audit(model, windows=300, seq_len=64, passage_bytes=4096)
    with pytest.raises(CorruptFileError, match="not a windows file"):
        (tmp_path / "w").write_text("x")
        shape_audit.audit(model, windows_file=tmp_path / "w")
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="sees no CUDA device"):
            shape_audit.audit(model, device="cuda", **FEW)


def test_notes_on_small_samples(tiny_llama: Path) -> None:
    record = shape_audit.audit(str(tiny_llama), windows=1, seq_len=16)
    assert record.notes[0].startswith("one window: no unbiased estimate exists")
    assert record.interaction is not None and record.interaction.sites[0].aofe_ratio is None
    for windows, says in ((5, "too few for intervals"), (7, "unreliable")):
        assert says in shape_audit.audit(str(tiny_llama), windows=windows, seq_len=16).notes[0]


def test_a_sample_of_many_copies_is_a_small_one(tiny_llama: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_bytes(read_text().content[: 10 * 192] * 4)
    notes = shape_audit.audit(str(tiny_llama), dataset=str(text), windows=40, seq_len=16, nfa=True).notes
    assert notes[0].startswith("30 of 40 windows repeat another one")
    assert notes[1].startswith("10 different windows: numbers are a rough estimate")
    assert any(note.startswith("--nfa: correlations from 10 windows are rough") for note in notes)


@pytest.mark.parametrize("windows", [4, 8])
def test_blind_guessing_is_not_worse_than_itself(windows: int, tmp_path: Path) -> None:
    file = save_tiny(tmp_path, "llama") / "model.safetensors"
    tensors = load_file(file)
    save_file(tensors | {"lm_head.weight": 0 * tensors["lm_head.weight"]}, file, metadata={"format": "pt"})
    notes = shape_audit.audit(str(tmp_path), windows=windows, seq_len=16).notes
    assert not any("blind guessing" in note for note in notes)


def numbers_of(record: shape_audit.AuditRecord) -> dict[str, object]:
    """What a measurement found, without how it was asked for."""
    assert record.interaction is not None
    left_out = {"environment", "record_sha256", "notes"}
    numbers = record.model_dump(exclude=left_out)
    del numbers["interaction"]["converged"]
    return numbers


def test_a_tolerance_takes_windows_until_it_is_met_and_no_more() -> None:
    options = {"seq_len": 32, "passage_bytes": 64, "sites": "embedding,block.4"}
    met = shape_audit.audit("builtin:bytes-1m", tolerance=0.03, **options)
    assert met.interaction is not None and met.calibration is not None
    used = met.interaction.windows_used
    assert met.interaction.converged is True and used in (32, 64, 128, 256) and met.calibration.windows == used
    for site in met.interaction.sites:
        assert site.aofe_ratio_ci is not None and site.aofe_ratio_ci[1] - site.aofe_ratio_ci[0] <= 0.06
    at_once = shape_audit.audit("builtin:bytes-1m", windows=used, **options)
    assert numbers_of(at_once) == numbers_of(met)
    before = shape_audit.audit("builtin:bytes-1m", windows=used // 2, **options).interaction
    assert before is not None
    intervals = [site.aofe_ratio_ci or (0, 1) for site in before.sites]
    assert max(high - low for low, high in intervals) > 0.06


def test_a_tolerance_that_cannot_be_met_says_so(tiny_llama: Path, tmp_path: Path) -> None:
    record = shape_audit.audit(str(tiny_llama), tolerance=1e-6, max_windows=20, seq_len=8)
    assert record.interaction is not None and record.interaction.converged is False
    assert record.interaction.windows_used == 20 and "not converged: after 20 windows" in record.notes[0]
    shape_audit.audit(str(tiny_llama), windows=18, seq_len=8, save_windows=tmp_path / "w.jsonl")
    replayed = shape_audit.audit(str(tiny_llama), tolerance=1e-6, windows_file=tmp_path / "w.jsonl")
    assert replayed.interaction is not None and replayed.interaction.windows_used == 18


@pytest.mark.parametrize("protocol", ["output-gradient", "projected-output", "input-simplex"])
def test_other_protocols_are_named_and_never_mixed(protocol: str, tiny_llama: Path) -> None:
    plain = shape_audit.audit(str(tiny_llama), **FEW)
    other = shape_audit.audit(str(tiny_llama), protocol=protocol, **FEW)
    assert plain.interaction is not None and other.interaction is not None
    assert other.interaction.protocol == protocol and other.interaction.parameters
    assert other.interaction.protocol_hash != plain.interaction.protocol_hash
    assert other.loss is not None and plain.loss is not None
    assert other.loss.nats_per_token == pytest.approx(plain.loss.nats_per_token, rel=1e-6)
    names = [site.name for site in other.interaction.sites]
    of_its_own = {"projected-output": ["output"], "input-simplex": ["input"]}
    assert names == of_its_own.get(protocol, ["embedding", "block.0", "block.1"])
    assert other.interaction.attn_implementation == ("eager" if protocol == "projected-output" else "sdpa")


@pytest.mark.parametrize("is_same", [True, False])
def test_the_record_is_about_the_model_that_was_loaded(tmp_path: Path, is_same: bool) -> None:
    """transformers drops a second copy of a tied matrix, and loads one that differs."""
    folder = save_tiny(tmp_path / "model", "llama-tied")
    tensors = load_file(folder / "model.safetensors")
    matrix = tensors["model.embed_tokens.weight"]
    tensors["lm_head.weight"] = matrix.clone() if is_same else matrix + 0.1
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    record, shape = shape_audit.audit(folder, **FEW), shape_audit.audit(folder, shape_only=True).shape
    model = load_model(read_checkpoint(folder)).model
    assert record.shape.tie_word_embeddings is is_same and shape.tie_word_embeddings
    assert record.shape.params_total == sum(parameter.numel() for parameter in model.parameters())
    assert record.shape.params_total - shape.params_total == (0 if is_same else matrix.numel())
    assert sum(record.shape.ledger.model_dump().values()) == record.shape.params_total
    assert any(("counted once" if is_same else "counted apart") in note for note in record.notes)
