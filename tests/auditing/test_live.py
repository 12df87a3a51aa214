"""A model in memory: the record of the saved folder, and the model as it was."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, MixtralConfig

import shape_audit
from shape_audit.errors import UsageError
from tests.tiny_models import LLAMA_LIKE, save_tiny, tiny_model

FEW = {"windows": 8, "seq_len": 16}


@pytest.fixture(params=["llama", "llama-tied", "gpt2"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return save_tiny(tmp_path / "model", request.param)


def test_the_record_of_the_saved_folder(folder: Path, tmp_path: Path) -> None:
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    saved = shape_audit.audit(folder, **FEW)
    live = shape_audit.audit(model, tokenizer=folder, records=tmp_path / "records", **FEW)
    assert (live.model.repo_id, live.model.revision, live.model.source) == ("unknown", "unknown", "memory")
    assert "name and revision are not known" in live.notes[0]
    assert live.shape == saved.shape and live.loss == saved.loss and live.calibration == saved.calibration
    assert live.interaction == saved.interaction and live.placement == saved.placement
    assert len(list((tmp_path / "records").glob("unknown__*.json"))) == 1
    by_object = shape_audit.audit(model, tokenizer=tokenizer, shape_only=False, **FEW)
    assert by_object.interaction is not None and saved.interaction is not None
    assert [site.aofe for site in by_object.interaction.sites] == [site.aofe for site in saved.interaction.sites]


@pytest.mark.parametrize("name", ["gemma2", "mixtral"])
def test_all_parts_of_the_shape_are_those_of_the_saved_folder(name: str, tmp_path: Path) -> None:
    of_experts = MixtralConfig(**LLAMA_LIKE, num_local_experts=4)
    model = AutoModelForCausalLM.from_config(of_experts) if name == "mixtral" else tiny_model(name)
    live = shape_audit.audit(model.bfloat16(), shape_only=True)
    model.save_pretrained(tmp_path)
    saved = shape_audit.audit(tmp_path, shape_only=True)
    for part in ("shape", "placement", "shape_cost", "serving"):
        assert getattr(live, part) == getattr(saved, part)
    assert saved.shape.is_dense == (saved.serving is not None) == (saved.placement.side is not None)


def state(model: Any) -> list[Any]:
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [
        [(name, part.training, [len(getattr(part, hook)) for hook in hooks]) for name, part in model.named_modules()],
        [(name, p.dtype, p.requires_grad, p.device, None if p.grad is None else p.grad.clone())
         for name, p in model.named_parameters()],
        model.config.to_dict(),
        torch.get_rng_state().tolist(),
        torch.is_grad_enabled(),
    ]  # fmt: skip


def test_it_is_left_as_it_was(folder: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(folder).train()
    next(model.parameters()).requires_grad_(False)
    before, weights = state(model), copy.deepcopy(model.state_dict())
    plain = shape_audit.audit(model, tokenizer=folder, **FEW)
    assert state(model) == before
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        inside = shape_audit.audit(model, tokenizer=folder, **FEW)
    assert inside.interaction == plain.interaction and inside.loss == plain.loss


def test_what_only_files_can_give_is_refused(tiny_llama: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_llama)
    for changes, words in (
        ({"nfa": True}, "save the model"),
        ({"dtype": "bfloat16"}, "the model is float32"),
        ({"protocol": "projected-output"}, "not eager"),
        ({"device_map": "disk"}, "stays where it is"),
    ):
        with pytest.raises(UsageError, match=words):
            shape_audit.audit(model, tokenizer=tiny_llama, **FEW, **changes)
    with pytest.raises(UsageError, match="give tokenizer="):
        shape_audit.audit(model, **FEW)
    with pytest.raises(UsageError, match="brings its own"):
        shape_audit.audit(tiny_llama, tokenizer=tiny_llama, **FEW)
    with pytest.raises(UsageError, match="only models of transformers"):
        shape_audit.audit(torch.nn.Linear(2, 2), tokenizer=tiny_llama, **FEW)
