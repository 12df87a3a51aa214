"""The training loop: broken off and gone on with, refused where it runs away."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from shape_audit.errors import IncompleteError, NonFiniteError, UsageError
from shape_audit.shape import family_named
from shape_audit.sweep import training
from shape_audit.sweep.model_folder import new_model, save_model, saved_training
from shape_audit.sweep.recipe import Schedule, learning_rate_of
from shape_audit.sweep.training import Job, StateFiles, accelerator_for, chosen_precision, train
from shape_audit.sweep.widths import fit_width

CPU = torch.device("cpu")
TEXT = np.frombuffer(("The quick brown fox jumps over the lazy dog. " * 200).encode(), np.uint8)


def job_of(family: str = "llama", **changes: object) -> Job:
    fitted = fit_width(
        family_named(family), budget=20_000, num_hidden_layers=2, vocab_size=256, max_position_embeddings=32
    )
    made = Job(family, fitted.sizes, 0, Schedule.cosine(60), 4e-3, 6, 32, "float32")
    return replace(made, **changes)  # type: ignore[arg-type]


def weights(trained: training.Trained) -> dict[str, torch.Tensor]:
    return {name: parameter.detach() for name, parameter in trained.model.named_parameters()}


def states_in(folder: Path) -> StateFiles:
    return StateFiles(own=folder / "own.safetensors", trunk=folder / "trunk.safetensors")


class Broken(Exception):
    """Stands for a power cut."""


def test_it_learns_and_equal_seeds_are_equal() -> None:
    accelerator = accelerator_for(CPU, "float32")
    first, again = train(job_of(), TEXT, accelerator), train(job_of(), TEXT, accelerator)
    other = train(job_of(seed=1), TEXT, accelerator)
    assert first.train_ce < 3.2 < np.log(256)
    assert all(torch.equal(value, weights(again)[name]) for name, value in weights(first).items())
    assert not torch.equal(weights(first)["model.norm.weight"], weights(other)["model.norm.weight"])


@pytest.mark.parametrize("family", ["llama", pytest.param("gpt2", marks=pytest.mark.long)])
def test_broken_off_and_gone_on_with_is_the_same_bit_for_bit(family: str, tmp_path: Path) -> None:
    job, accelerator = job_of(family), accelerator_for(CPU, "float32")
    straight = train(job, TEXT, accelerator)
    states = states_in(tmp_path)

    def cut(step: int, tokens_per_second: float, loss: float) -> None:
        if step == 40:
            raise Broken

    with pytest.raises(Broken):
        train(job, TEXT, accelerator, states=states, save_seconds=0, progress=cut)
    steps: list[int] = []
    resumed = train(
        job, TEXT, accelerator, states=states, save_seconds=1e9, progress=lambda step, *rest: steps.append(step)
    )
    assert steps[0] == 40  # the last state saved is of step 30
    assert resumed.train_ce == straight.train_ce
    assert all(torch.equal(value, weights(straight)[name]) for name, value in weights(resumed).items())


@pytest.mark.parametrize("cut_at", [None, 50, pytest.param(60, marks=pytest.mark.long)])
def test_a_length_from_the_trunk_is_that_length_trained_alone_bit_for_bit(cut_at: int | None, tmp_path: Path) -> None:
    """The long one leaves the trunk at step 48; broken off, it goes on from there (50) or from its own state (60)."""
    accelerator, states = accelerator_for(CPU, "float32"), states_in(tmp_path)
    short, long = (job_of(schedule=Schedule.warmup_stable_decay(steps, warmup=4)) for steps in (30, 60))
    alone = train(long, TEXT, accelerator)
    seen: list[int] = []

    def look(step: int, tokens_per_second: float, loss: float) -> None:
        seen.append(step)
        if step == cut_at and seen.count(step) == 1:
            raise Broken

    train(short, TEXT, accelerator, states=replace(states, own=tmp_path / "short.safetensors"))
    if cut_at is not None:
        with pytest.raises(Broken):
            train(long, TEXT, accelerator, states=states, save_seconds=0, progress=look)
    trained = train(long, TEXT, accelerator, states=states, save_seconds=0, progress=look)
    assert seen == {None: [30, 40, 48, 50, 60], 50: [30, 40, 48, 50, 50, 60], 60: [30, 40, 48, 50, 60, 60]}[cut_at]
    assert trained.train_ce == alone.train_ce
    assert all(torch.equal(value, weights(alone)[name]) for name, value in weights(trained).items())


def test_a_length_shorter_than_the_trunk_already_is_starts_over(tmp_path: Path) -> None:
    accelerator, states = accelerator_for(CPU, "float32"), states_in(tmp_path)
    short, long = (job_of(schedule=Schedule.warmup_stable_decay(steps, warmup=4)) for steps in (15, 60))
    train(long, TEXT, accelerator, states=replace(states, own=tmp_path / "long.safetensors"))
    after = train(short, TEXT, accelerator, states=states)
    assert after.train_ce == train(short, TEXT, accelerator).train_ce


def test_a_state_of_another_job_is_refused_and_a_damaged_one_set_aside(tmp_path: Path) -> None:
    accelerator, states = accelerator_for(CPU, "float32"), states_in(tmp_path)
    state, short = states.own, job_of(schedule=Schedule.cosine(20))
    train(short, TEXT, accelerator, states=states, save_seconds=0)
    with pytest.raises(UsageError, match="a training under way, with seed 0 where this run has 5; remove it"):
        train(replace(short, seed=5), TEXT, accelerator, states=states)
    state.write_bytes(state.read_bytes()[:-50])
    assert train(short, TEXT, accelerator, states=states).train_ce == train(short, TEXT, accelerator).train_ce
    assert state.with_suffix(".damaged").exists()


def test_a_state_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IncompleteError, match="could not be saved"):
        train(
            job_of(), TEXT, accelerator_for(CPU, "float32"),
            states=states_in(tmp_path / "file"), save_seconds=0,
        )  # fmt: skip


def test_a_model_that_cannot_be_saved_leaves_nothing_that_looks_like_one(tmp_path: Path) -> None:
    job = job_of()
    model = new_model(family_named("llama"), job.sizes, 0)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "in the way").write_text("")
    with pytest.raises(IncompleteError, match="the model could not be saved"):
        save_model(model, tmp_path / "model", {}, positions=32)
    with pytest.raises(IncompleteError, match=r"no training\.json in it"):
        saved_training(tmp_path / "model")
    assert saved_training(tmp_path / "none") is None
    save_model(model, tmp_path / "other", {"train_ce": 1.5}, positions=32)  # and is tried again
    assert saved_training(tmp_path / "other") == {"train_ce": 1.5}


def test_a_loss_that_is_not_finite_names_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(self: training.TrainingLoop, number: int) -> torch.Tensor:
        return torch.tensor(float("nan") if number >= 12 else 1.0)

    monkeypatch.setattr(training.TrainingLoop, "step", step)
    with pytest.raises(NonFiniteError, match="not finite at step 13; try a lower --learning-rate"):
        train(job_of(), TEXT, accelerator_for(CPU, "float32"))


def test_the_schedule_warms_up_and_comes_down() -> None:
    rates = [Schedule.cosine(1000).rate(step) for step in range(1000)]
    assert (
        rates[49] == max(rates) == 1.0 and rates[0] == pytest.approx(0.02) and rates[-1] == pytest.approx(0.1, abs=1e-3)
    )
    assert Schedule.cosine(1).rate(0) == 1.0
    assert learning_rate_of(64) >= learning_rate_of(128)


def test_lengths_share_a_trunk_and_each_comes_down_by_itself() -> None:
    short, long = (Schedule.warmup_stable_decay(steps, warmup=50) for steps in (200, 1000))
    assert (short.branch, long.branch) == (160, 800)
    assert [short.rate(step) for step in range(160)] == [long.rate(step) for step in range(160)]
    assert long.rate(0) == pytest.approx(0.02) and long.rate(49) == long.rate(800) == 1.0
    assert long.rate(850) == pytest.approx(0.5)  # a quarter of the decay: one less the root of a quarter
    assert 0 < long.rate(999) < 0.003


def test_auto_is_bfloat16_where_the_cpu_computes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for units, expected in ((False, "float32"), (True, "bfloat16")):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda units=units: units, raising=False)
        assert chosen_precision(CPU, "auto") == expected


def test_precision_is_what_was_asked_for() -> None:
    assert chosen_precision(CPU, "bfloat16") == "bfloat16" and chosen_precision(CPU, "float32") == "float32"
    for precision, mixed in (("bfloat16", "bf16"), ("float32", "no"), ("bfloat16", "bf16")):
        assert accelerator_for(CPU, precision).mixed_precision == mixed
    half = train(job_of(precision="bfloat16"), TEXT, accelerator_for(CPU, "bfloat16"))
    whole = train(job_of(), TEXT, accelerator_for(CPU, "float32"))
    assert half.train_ce == pytest.approx(whole.train_ce, rel=0.02) and half.train_ce != whole.train_ce
    assert all(value.dtype == torch.float32 for value in weights(half).values())
