"""Models larger than memory: the same numbers as in memory, and nothing left behind."""

import gc
import json
import shutil
import tempfile
from pathlib import Path

import pytest
import torch

import shape_audit
from shape_audit.auditing import Silent
from shape_audit.errors import NonFiniteError, NotAuditableError, UsageError
from shape_audit.hub import read_checkpoint
from shape_audit.interaction import Site, protocol_of
from shape_audit.interaction.estimators.sums import SiteSums
from shape_audit.interaction.stream.micro_batch import MicroBatch
from shape_audit.models import LoadOptions, PassSize, load_model, plan_weights
from shape_audit.models.blocks import find_blocks
from shape_audit.models.checkpointing import check_same_losses, checkpoint_blocks
from shape_audit.records import AuditRecord, Interaction
from shape_audit.shape import describe
from tests.parallel.test_processes_of_run import launched
from tests.tiny_models import CASES, save_tiny, tiny_model

FEW = {"windows": 4, "seq_len": 16}
REL = 1e-5
"""Float32 gradients; energies are fourth powers of them."""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where offload folders are made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def offloaded(folder: Path) -> list[Path]:
    """Offload folders, and what lies in them."""
    return [path for made in folder.glob("shape-audit-offload-*") for path in (made, *made.rglob("*"))]


class Looking(Silent):
    """Notes what lies in the temporary folder while windows are measured, and may end it there."""

    def __init__(self, folder: Path, error: BaseException | None = None) -> None:
        self.folder, self.error = folder, error
        self.seen: list[list[Path]] = []

    def windows(self, done: int, total: int, tokens: int) -> None:
        self.seen.append(offloaded(self.folder))
        if self.error is not None and done:
            raise self.error


def measured(record: AuditRecord) -> Interaction:
    assert record.interaction is not None
    return record.interaction


def assert_same(one: AuditRecord, other: AuditRecord) -> None:
    assert one.loss is not None and other.loss is not None
    assert one.loss.nats_per_token == pytest.approx(other.loss.nats_per_token, rel=REL)
    for a, b in zip(measured(one).sites, measured(other).sites, strict=True):
        assert a.name == b.name and a.trace == pytest.approx(b.trace, rel=REL)
        assert a.aofe_plugin == pytest.approx(b.aofe_plugin, rel=REL)
        assert a.aofe_ratio_plugin == pytest.approx(b.aofe_ratio_plugin, rel=REL)
    assert measured(one).protocol_hash == measured(other).protocol_hash


def test_one_hot_inputs_from_the_disk_are_those_in_memory(tmp_path: Path) -> None:
    """Products are made with the embedding itself, which is streamed too."""
    folder = save_tiny(tmp_path / "model", "llama-tied")
    in_memory, streamed = (
        shape_audit.audit(folder, **FEW, protocol="input-simplex", **options)
        for options in ({}, {"device_map": "disk"})
    )
    assert_same(in_memory, streamed)
    assert [site.name for site in measured(streamed).sites] == ["input"]


def let_it_drop_out(folder: Path) -> list[str]:
    """Every number of the config with `drop` in its name becomes 0.3; returns their names."""
    config = json.loads((folder / "config.json").read_text())
    names = [name for name, value in config.items() if "drop" in name and isinstance(value, int | float)]
    (folder / "config.json").write_text(json.dumps(config | dict.fromkeys(names, 0.3)))
    return names


STREAMED = ("llama-tied", "gpt2-untied", "gemma2", "opt-projected", "falcon")
"""Kinds of blocks, embeddings and outputs that are loaded in ways of their own; the others are like one of these."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name not in STREAMED)) for name in CASES]
)
def test_from_the_disk_the_numbers_are_those_in_memory(
    name: str, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_tiny(tmp_path / name, name)
    dropping = let_it_drop_out(folder)
    assert dropping or not name.startswith(("opt", "falcon"))
    in_memory = shape_audit.audit(str(folder), **FEW, micro_batch=2)
    added: list[int] = []
    add = SiteSums.add
    monkeypatch.setattr(SiteSums, "add", lambda sums, grad, first: (added.append(first), add(sums, grad, first))[1])
    progress = Looking(temporary)
    streamed = shape_audit.audit(str(folder), device_map="disk", progress=progress, **FEW, micro_batch=2)
    assert_same(in_memory, streamed)
    assert sorted(added) == [0, 0, 0, 2, 2, 2]  # every site once for each of the two micro-batches
    assert streamed.environment.device == "disk, cpu" and in_memory.environment.device == "cpu"
    assert len(progress.seen[-1]) == 1  # the checkpoint's own files are read: nothing was written into the folder
    gc.collect()  # the view of the folder goes with the model, which is part of a circle
    assert not any(temporary.glob("shape-audit-*"))


def test_output_gradients_come_from_the_disk_too(tiny_llama: Path) -> None:
    protocol = "output-gradient"
    assert_same(*(shape_audit.audit(str(tiny_llama), protocol=protocol, device_map=m, **FEW) for m in (None, "disk")))


@pytest.mark.parametrize("dtype", ["bfloat16", "float64"])
def test_weights_are_converted_on_their_way_from_the_disk(dtype: str, tiny_llama: Path) -> None:
    assert_same(*(shape_audit.audit(str(tiny_llama), dtype=dtype, device_map=m, **FEW) for m in (None, "disk")))


@pytest.mark.parametrize("sites", ["embedding", "block.0", "block.1"])
def test_single_sites_from_the_disk(sites: str, tiny_llama: Path) -> None:
    assert_same(*(shape_audit.audit(str(tiny_llama), sites=sites, device_map=m, **FEW) for m in (None, "disk")))


def test_maps_of_all_kinds_change_nothing(tiny_llama: Path, tmp_path: Path) -> None:
    in_memory = shape_audit.audit(str(tiny_llama), **FEW)
    maps = {
        "a.json": {"": "disk"},
        "b.json": {"": "cpu", "model.layers.1": "disk"},
        "c.json": {"model.embed_tokens": "disk", "model.layers": "cpu", "model.norm": "cpu", "lm_head": "disk"},
    }
    for file, content in maps.items():
        (tmp_path / file).write_text(json.dumps(content))
        record = shape_audit.audit(str(tiny_llama), device_map=str(tmp_path / file), **FEW)
        assert_same(in_memory, record)
        assert record.environment.device == "disk, cpu"
    for name in ("auto", "balanced", "cpu"):
        record = shape_audit.audit(str(tiny_llama), device="cpu", device_map=name, **FEW)
        assert_same(in_memory, record)
        assert record.environment.device == "cpu"
    little = shape_audit.audit(str(tiny_llama), device="cpu", device_map="auto", max_memory="cpu=70kB", **FEW)
    assert_same(in_memory, little)
    assert little.environment.device == "disk, cpu"


def test_tied_weights_may_not_be_parted(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "tied", "llama-tied")
    (tmp_path / "m.json").write_text('{"": "cpu", "lm_head": "disk"}')
    with pytest.raises(UsageError, match=r"lm_head.weight and model.embed_tokens.weight are tied"):
        shape_audit.audit(str(folder), device_map=str(tmp_path / "m.json"), **FEW)
    (tmp_path / "m.json").write_text('{"": "disk"}')
    both = [shape_audit.audit(str(folder), device_map=m, **FEW) for m in (None, str(tmp_path / "m.json"))]
    assert_same(*both)


def test_more_windows_extend_a_streamed_pass(tiny_llama: Path) -> None:
    options = {"tolerance": 1e-6, "max_windows": 20, "seq_len": 8}
    assert_same(*(shape_audit.audit(str(tiny_llama), device_map=m, **options) for m in (None, "disk")))


@pytest.mark.parametrize("error", [NonFiniteError("made up"), KeyboardInterrupt()])
def test_the_folder_is_gone_after_an_error(error: BaseException, tiny_llama: Path, temporary: Path) -> None:
    progress = Looking(temporary, error)
    with pytest.raises(type(error)):
        shape_audit.audit(str(tiny_llama), device_map="disk", progress=progress, **FEW, micro_batch=2)
    assert len(progress.seen[-1]) == 1 and not offloaded(temporary)


@pytest.mark.parametrize("name", ["opt", "falcon"])
def test_a_model_that_drops_out_when_checkpointed_is_refused(name: str) -> None:
    """As it would be if some architecture kept its dropout where `read_config` does not look."""
    model = tiny_model(name)
    for module in model.modules():
        for attribute in ("dropout", "hidden_dropout"):
            if isinstance(getattr(module, attribute, None), float):
                setattr(module, attribute, 0.5)
    model.config.hidden_dropout = 0.5
    blocks = find_blocks(model, 2)
    checkpoint_blocks(model, blocks)
    ids_BL = torch.randint(0, 256, (2, 17), generator=torch.Generator().manual_seed(0))
    from shape_audit.models.logits import model_logits, window_losses

    def losses() -> torch.Tensor:
        return window_losses(model_logits(model, ids_BL[:, :-1]), ids_BL[:, 1:])

    with pytest.raises(NotAuditableError, match="with activation checkpointing its loss is another"):
        check_same_losses(model, blocks, ids_BL, losses())
    assert all(block.training for block in blocks)


@pytest.mark.parametrize(
    ("case", "there"), [("llama", ("model.layers.", "model.embed_tokens.")), ("llama-tied", ("model.layers.",))]
)
def test_blocks_and_an_embedding_tied_to_nothing_lie_on_the_disk(
    case: str, there: tuple[str, ...], tmp_path: Path
) -> None:
    checkpoint = read_checkpoint(str(save_tiny(tmp_path / "model", case)))
    shape = describe(checkpoint).shape
    settled = plan_weights(
        checkpoint, shape, PassSize(8, 4, {0: shape.hidden_size}), LoadOptions(device_map="disk"), torch.device("cpu")
    )
    assert settled.placement is not None and settled.plan.is_checkpointed
    loaded = load_model(checkpoint, placement=settled.placement, offload_folder=tmp_path / "offload")
    model = loaded.model
    model(torch.zeros(1, 4, dtype=torch.long))
    for name, parameter in model.named_parameters():
        assert parameter.is_meta == name.startswith(there), name
    weights = {memory.device: memory.weights for memory in settled.plan.devices}
    on_disk = sum(p.numel() for name, p in model.named_parameters() if p.is_meta)
    assert weights["disk"] == 4 * on_disk
    buffers = sum(b.numel() * b.element_size() for b in model.buffers())
    assert weights["cpu"] == 4 * (shape.params_total - on_disk) + buffers
    of_blocks = sum(p.numel() for name, p in model.named_parameters() if name.startswith("model.layers."))
    largest = max(of_blocks // 2, on_disk - of_blocks)
    assert [memory.streamed for memory in settled.plan.devices] == [4 * largest, 0]


def test_weights_leave_memory_after_the_backward_pass(tiny_llama: Path, tmp_path: Path) -> None:
    """Checkpointing that stops early would skip a module's closing hook, and with it the release of its weights."""
    checkpoint = read_checkpoint(str(tiny_llama))
    shape, protocol = describe(checkpoint).shape, protocol_of("loss-gradient")
    settled = plan_weights(
        checkpoint, shape, PassSize(8, 4, {0: shape.hidden_size}), LoadOptions(device_map="disk"), torch.device("cpu")
    )
    loaded = load_model(checkpoint, placement=settled.placement, offload_folder=tmp_path)
    sums = {Site(0): SiteSums.zeros(24, dtype=torch.float32, device=torch.device("cpu"))}
    blocks = find_blocks(loaded.model, 2)
    protocol.add_micro_batch(loaded.model, blocks, MicroBatch(torch.zeros(2, 9, dtype=torch.long)), sums)
    assert all(parameter.is_meta for block in blocks for parameter in block.parameters())


def test_what_is_asked_for_together_and_cannot_be(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = str(tiny_llama)
    with pytest.raises(UsageError, match="--nfa needs the model and a re-initialised one in memory"):
        shape_audit.audit(model, device_map="disk", nfa=True)
    with pytest.raises(UsageError, match="--protocol projected-output needs all weights on one device"):
        shape_audit.audit(model, device_map="disk", protocol="projected-output")
    with pytest.raises(UsageError, match="--max-memory goes with --device-map auto or balanced"):
        shape_audit.audit(model, device_map="disk", max_memory="cpu=1GiB")
    with pytest.raises(UsageError, match="nothing is computed on cuda:7 here"):
        shape_audit.audit(model, device_map="auto", max_memory="cuda:7=1GiB", **FEW)
    with pytest.raises(UsageError, match="leave out --device mps"):
        shape_audit.audit(model, device_map="auto", device="mps")
    with pytest.raises(UsageError, match="--shape-only measures nothing"):
        shape_audit.audit(model, device_map="disk", shape_only=True)
    (tmp_path / "m.json").write_text('{"": "cuda:9"}')
    with pytest.raises(UsageError, match="--device-map: nothing is computed on cuda:9 here"):
        shape_audit.audit(model, device_map=str(tmp_path / "m.json"), **FEW)
    (tmp_path / "m.json").write_text('{"model.layers.7": "cpu"}')
    with pytest.raises(UsageError, match=r"LlamaForCausalLM has no module 'model.layers.7'"):
        shape_audit.audit(model, device_map=str(tmp_path / "m.json"), **FEW)
    (tmp_path / "m.json").write_text('{"model": "cpu"}')
    with pytest.raises(UsageError, match=r"it says no device for lm_head.weight"):
        shape_audit.audit(model, device_map=str(tmp_path / "m.json"), **FEW)
    for name, value in launched(0, 2).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="spreads one model over devices, --num-processes windows over processes"):
        shape_audit.audit(model, device_map="disk", **FEW)


def test_damaged_weights_on_the_disk_are_named(tiny_llama: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_llama, tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_key_value_heads": 4}))
    with pytest.raises(shape_audit.ShapeAuditError) as caught:
        shape_audit.audit(str(folder), device_map="disk", **FEW)
    assert "\n" not in str(caught.value)
