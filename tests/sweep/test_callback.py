"""The callback in a real Trainer, and `watch` in a loop of one's own: the numbers of `audit`, and nothing touched."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from transformers import Trainer, TrainingArguments, default_data_collator

import shape_audit
from shape_audit.errors import UsageError
from shape_audit.shape import family_named
from shape_audit.sweep import ShapeAuditCallback, byte_tokenizer, fixed_windows, watch
from shape_audit.sweep.bytes_data import batch_starts, read_data, windows_at
from shape_audit.sweep.model_folder import new_model
from shape_audit.sweep.widths import fit_width

SETTINGS: dict[str, Any] = {"windows": 8, "seq_len": 32, "passage_bytes": 80}


def fresh(family: str = "llama") -> Any:
    fitted = fit_width(
        family_named(family), budget=20_000, num_hidden_layers=2, vocab_size=256, max_position_embeddings=32
    )
    return new_model(family_named(family), fitted.sizes, 0)


class Rows(torch.utils.data.Dataset):  # type: ignore[type-arg]
    def __init__(self) -> None:
        text = read_data("builtin:python-docs", seq_len=32).train
        starts = batch_starts(0, 0, batch=64, seq_len=32, text_bytes=len(text))
        self.rows = torch.from_numpy(windows_at(text, starts, 31))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        return {"input_ids": self.rows[number], "labels": self.rows[number]}


def trained(folder: Path, callback: ShapeAuditCallback | None, **arguments: Any) -> Trainer:
    trainer = Trainer(
        model=fresh(),
        args=TrainingArguments(
            output_dir=str(folder), max_steps=6, per_device_train_batch_size=8, save_steps=3, logging_steps=2,
            learning_rate=4e-3, report_to=[], use_cpu=True, disable_tqdm=True, **arguments,
        ),
        train_dataset=Rows(),
        data_collator=default_data_collator,
        processing_class=byte_tokenizer(32),
    )  # fmt: skip
    if callback is not None:
        callback.add_to(trainer)
    trainer.train()
    return trainer


@pytest.mark.parametrize("mixed", [pytest.param(False, marks=pytest.mark.long), True])
def test_what_it_logs_is_what_audit_says_of_the_checkpoint(mixed: bool, tmp_path: Path) -> None:
    """In mixed precision too: a checkpoint holds the float32 weights, and those are looked at."""
    callback = ShapeAuditCallback(fixed_windows(byte_tokenizer(32), **SETTINGS), every=3)
    trainer = trained(tmp_path, callback, bf16=mixed)
    assert list(callback.observations) == [0, 3, 6]
    for step in (3, 6):
        record = shape_audit.audit(str(tmp_path / f"checkpoint-{step}"), **SETTINGS, dtype="float32", device="cpu")
        seen = callback.observations[step]
        assert record.interaction is not None and record.loss is not None
        assert list(seen.sites) == record.interaction.sites and seen.r_dw == record.shape.r_dw
        assert seen.nats_per_token == record.loss.nats_per_token
    logged = [entry for entry in trainer.state.log_history if "shape_audit/r_dw" in entry]
    written = [json.loads(line) for line in (tmp_path / "shape_audit.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in logged] == [line["step"] for line in written] == [0, 3, 6]
    site = callback.observations[6].sites[-1]
    assert logged[-1]["shape_audit/block.1/aofe_ratio"] == site.aofe_ratio
    assert site.aofe_ratio_ci is not None
    assert logged[-1]["shape_audit/block.1/aofe_ratio_low"] == site.aofe_ratio_ci[0]
    assert 0 < logged[-1]["shape_audit/cost"] <= 1


def test_training_is_the_same_with_it_and_without(tmp_path: Path) -> None:
    callback = ShapeAuditCallback(fixed_windows(byte_tokenizer(32), **SETTINGS), every=1)
    watched, alone = trained(tmp_path / "a", callback), trained(tmp_path / "b", None)
    losses = [[(e["step"], e["loss"]) for e in t.state.log_history if "loss" in e] for t in (watched, alone)]
    assert losses[0] == losses[1] and [step for step, _ in losses[0]] == [2, 4, 6], "looking leaves the trainer's logs"
    for (name, one), (_, other) in zip(watched.model.named_parameters(), alone.model.named_parameters(), strict=True):
        assert torch.equal(one, other), name


def test_watching_leaves_the_model_as_it_was() -> None:
    windows = fixed_windows(byte_tokenizer(32), **SETTINGS)
    model = fresh("gpt2")
    evaluated = watch(model.eval(), windows)
    for module in model.train().modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5
    model.transformer.h[0].eval()
    flags = [module.training for module in model.modules()]
    before, state = {n: p.detach().clone() for n, p in model.named_parameters()}, torch.get_rng_state()
    parallel = torch.nn.DataParallel(model)
    first, again = watch(model, windows), watch(parallel, windows.windows)
    assert first.sites == again.sites == evaluated.sites and len(first.sites) == 3
    assert [module.training for module in model.modules()] == flags
    assert all(torch.equal(p, before[n]) and p.grad is None and p.requires_grad for n, p in model.named_parameters())
    assert torch.equal(state, torch.get_rng_state())
    assert [site.name for site in watch(model, windows, sites="block.1").sites] == ["block.1"]


def test_depth_and_width_are_watched() -> None:
    windows = fixed_windows(byte_tokenizer(32), **SETTINGS)
    seen = watch(fresh(), windows, use=True)
    numbers = seen.numbers()
    assert numbers["block.0/block_influence"] == seen.blocks[0].block_influence
    assert numbers["block.1/functional_rank_low"] < numbers["block.1/functional_rank"]
    assert not watch(fresh(), windows).widths


def test_what_cannot_be_watched_is_said(tmp_path: Path) -> None:
    windows = fixed_windows(byte_tokenizer(32), **SETTINGS)
    with pytest.raises(UsageError, match="audit a checkpoint"):
        watch(fresh(), windows, protocol="projected-output")
    with pytest.raises(UsageError, match="no windows"):
        watch(fresh(), [])
    with pytest.raises(UsageError, match="only models of transformers"):
        watch(torch.nn.Linear(2, 2), windows)
    with pytest.raises(UsageError, match="every must be"):
        ShapeAuditCallback(windows, every=0)


def test_a_sharded_model_is_refused() -> None:
    """Its forward would wait for the other processes, which are not looking."""
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        model = fully_shard(fresh(), mesh=init_device_mesh("cpu", (1,)))
        with pytest.raises(UsageError, match="sharded over processes"):
            watch(model, fixed_windows(byte_tokenizer(32), **SETTINGS))
    finally:
        torch.distributed.destroy_process_group()


def test_windows_of_a_folder_and_of_its_tokenizer_are_equal(tmp_path: Path) -> None:
    byte_tokenizer(32).save_pretrained(tmp_path)
    ours = fixed_windows(byte_tokenizer(32), **SETTINGS)
    assert (
        ours.windows == fixed_windows(tmp_path, **SETTINGS).windows == fixed_windows(str(tmp_path), **SETTINGS).windows
    )
