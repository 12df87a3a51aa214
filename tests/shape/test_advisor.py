"""Suggested shapes: inside the interval, within the budget, of sizes that check has nothing against."""

import itertools
import math
import re
from pathlib import Path

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

import shape_audit
from shape_audit.errors import IncompleteError, ShapeAuditError, UsageError
from shape_audit.interval import shipped_interval
from shape_audit.records import Interval, ShapeSuggestion, SuggestedShape
from shape_audit.shape import (
    LARGE_TILE,
    TILE,
    Sizes,
    families,
    is_fused_head,
    known_models,
    place,
    suggest,
    unsplit,
    write_config,
)
from shape_audit.shape.parameter_budget import parse_budget
from shape_audit.shape.shape_search import DEEPEST, _depths

FEW = {"vocab_size": 512}


def keeps_its_promises(suggestion: ShapeSuggestion) -> None:
    """What holds for every suggestion."""
    family = families()[suggestion.family]
    assert suggestion.shapes and len(suggestion.shapes) <= suggestion.found
    for rank, suggested in enumerate(suggestion.shapes, start=1):
        shape = suggested.shape
        assert suggested.rank == rank
        assert place(shape.r_dw, suggestion.interval).side == "inside"
        counted = shape.params_total if suggestion.counted == "total" else shape.params_non_embedding
        assert suggested.miss == (counted - suggestion.params) / suggestion.params
        assert abs(suggested.miss) <= suggestion.tolerance
        heads, shared, head_dim = shape.num_attention_heads, shape.num_key_value_heads, shape.head_dim
        assert heads and shared and head_dim and shape.intermediate_size and shape.vocab_size
        assert heads * head_dim == shape.hidden_size and heads % shared == 0 and is_fused_head(head_dim)
        assert not (shape.hidden_size % TILE or shape.intermediate_size % TILE or shape.vocab_size % TILE)
        assert not unsplit(shape.intermediate_size) and unsplit(shared) == unsplit(heads)
        disliked = bool(unsplit(heads)) + bool(shape.hidden_size % LARGE_TILE)
        assert len(suggested.hardware) == disliked
        values = suggested.config.values()
        assert suggested.config["model_type"] == family.model_type and shape.num_hidden_layers in values
    widths = [suggested.shape.hidden_size for suggested in suggestion.shapes]
    assert len(set(widths)) == len(widths)
    if len(suggestion.shapes) == suggestion.found:
        assert in_order(suggestion.shapes, 0) and min(one.training_time for one in suggestion.shapes) == 1


def in_order(shapes: list[SuggestedShape], price: int) -> bool:
    """Whether those whose interval meets the lowest cost's come first, fastest first, and the others by cost."""
    costs = [one.costs[price] for one in shapes]
    low, high = min(costs, key=lambda cost: cost.loss_excess).loss_excess_ci or (0, 0)
    keys = [
        (False, one.training_time) if low <= ends[1] and ends[0] <= high else (True, cost.loss_excess)
        for one, cost in zip(shapes, costs, strict=True)
        for ends in [cost.loss_excess_ci or (0, 0)]
    ]
    return keys == sorted(keys)


@pytest.mark.parametrize("family", families())
@pytest.mark.parametrize("params", ["30m", "350M", "1.2B", "8e9"])
@pytest.mark.parametrize("non_embedding", [True, False])
def test_every_family_at_every_size(family: str, params: str, non_embedding: bool) -> None:
    keeps_its_promises(suggest(params, family=family, non_embedding=non_embedding, vocab_size=32_000, top=1000))


@settings(deadline=None, max_examples=25)
@given(
    params=st.floats(1e5, 1e12),
    family=st.sampled_from(list(families())),
    vocab_size=st.integers(1, 300_000),
    head_dim=st.sampled_from([None, 8, 16, 24, 64, 96, 128, 256]),
    ends=st.tuples(st.floats(1e-4, 0.5), st.floats(1.0001, 20)) | st.none(),
    tied=st.booleans() | st.none(),
    non_embedding=st.booleans(),
)
def test_a_suggestion_or_a_line_that_says_what_would_do(
    params: float, family: str, vocab_size: int, head_dim: int | None, ends: tuple[float, float] | None,
    tied: bool | None, non_embedding: bool,
) -> None:  # fmt: skip
    interval = Interval(name="own", low=ends[0], high=ends[0] * ends[1], source="test") if ends else None
    asked = {
        "family": family, "vocab_size": vocab_size, "head_dim": head_dim, "interval": interval, "tied": tied,
        "non_embedding": non_embedding, "top": 1000,
    }  # fmt: skip
    try:
        keeps_its_promises(suggest(params, **asked))  # type: ignore[arg-type]
    except UsageError as error:
        nearest = re.search(r"the nearest: \d+ layers × [\d,]+, ([\d,]+)", str(error))
        if nearest is None:
            assert "no width up to" in str(error)
        else:  # what it names can be had; tying goes with the size, and so is held
            asked["tied"] = families()[family].ties(round(params)) if tied is None else tied
            keeps_its_promises(suggest(nearest[1].replace(",", ""), tolerance=1e-9, **asked))  # type: ignore[arg-type]


def test_no_depth_hits_the_budget_better_than_the_one_suggested() -> None:
    """Against counting every depth, width and head dimension one by one, with the usual feed-forward width."""
    family, budget = families()["llama"], 60_000_000
    found = suggest(budget, vocab_size=4096, top=1000)
    interval = found.interval
    best: dict[int, float] = {}
    for width, head_dim, depth in itertools.product(range(64, 1600, 64), (64, 128), range(1, 100)):
        if width % head_dim or place(depth / width, interval).side != "inside":
            continue
        heads, feed_forward = width // head_dim, family.usual_feed_forward(width)
        shared = family.usual_key_value_heads(heads)
        sizes = Sizes(depth, width, feed_forward, heads, shared, head_dim, 4096, family.max_position_embeddings, True)
        miss = abs(sum(family.ledger(sizes).model_dump().values()) - budget) / budget
        if miss <= found.tolerance:
            best[width] = min(miss, best.get(width, math.inf))
    assert {one.shape.hidden_size for one in found.shapes} == set(best)
    for one in found.shapes:
        if one.shape.hidden_size % 128:  # one head dimension, so nothing but the miss decides
            assert abs(one.miss) == pytest.approx(best[one.shape.hidden_size])


@given(
    width=st.integers(1, 512).map(lambda n: 64 * n),
    low=st.floats(1e-5, 1) | st.none(),
    high=st.floats(1e-5, 1) | st.none(),
)
def test_the_depths_are_all_that_the_interval_allows(width: int, low: float | None, high: float | None) -> None:
    depths = _depths(width, Interval(name="", low=low, high=high, source=""))
    for depth in {1, 2, depths.start - 1, depths.start, depths.stop - 1, depths.stop, DEEPEST}:
        if 1 <= depth <= DEEPEST:
            allowed = (low is None or depth / width >= low) and (high is None or depth / width <= high)
            assert (depth in depths) == allowed


def test_the_ends_of_the_interval_are_inside() -> None:
    for depth, width in itertools.product(range(1, 60), range(64, 2048, 64)):
        ends = depth / width
        assert _depths(width, Interval(name="", low=ends, high=ends, source="")) == range(depth, depth + 1)


def test_real_shapes_are_found_again() -> None:
    """The published sizes of real models, in an interval that holds little else."""
    for name, family in (("openai-community/gpt2", "gpt2"), ("EleutherAI/pythia-160m", "gpt_neox")):
        known = known_models()[name]
        interval = Interval(name="own", low=known.r_dw * 0.99, high=known.r_dw * 1.01, source="test")
        found = suggest(known.params or 0, family=family, interval=interval, head_dim=64)
        best = min(found.shapes, key=lambda one: abs(one.miss))
        assert (best.shape.num_hidden_layers, best.shape.hidden_size) == (12, 768) and abs(best.miss) < 1e-3


def test_shapes_are_ordered_by_what_they_cost() -> None:
    """At equal training time shallower ones come first; decoding asks for the fewest blocks."""
    found = {goal: suggest("1.2B", goal=goal, top=1000) for goal in ("tokens", "training-time", "decoding")}
    for number, goal in enumerate(("tokens", "training-time")):
        costs = [one.costs[number] for one in found[goal].shapes]
        assert {(cost.basis, cost.price) for cost in costs} == {("total", goal)}
        assert in_order(found[goal].shapes, number)
    layers = [one.shape.num_hidden_layers for one in found["decoding"].shapes]
    assert layers == sorted(layers)
    assert found["training-time"].shapes[0].shape.r_dw < found["tokens"].shapes[0].shape.r_dw
    with pytest.raises(UsageError, match="--for must be one of tokens, training-time, decoding"):
        suggest("1.2B", goal="speed")  # type: ignore[arg-type]


def test_costs_that_cannot_be_told_apart_are_ties() -> None:
    """Of these the fastest to train comes first, though another's cost is lower."""
    found = suggest("1.2B", top=1000)
    first, lowest = found.shapes[0], min(found.shapes, key=lambda one: one.costs[0].loss_excess)
    assert first.training_time < lowest.training_time and first.costs[0].loss_excess > lowest.costs[0].loss_excess
    ends = lowest.costs[0].loss_excess_ci
    assert ends is not None
    tied = [one for one in found.shapes if one.costs[0].loss_excess_ci and one.costs[0].loss_excess_ci[0] <= ends[1]]
    assert f"the costs of the first {len(tied)} cannot be told apart" in found.ranking
    assert "apart" not in suggest("1.2B", goal="decoding").ranking


def test_times_are_over_the_fastest_of_all_shapes_found() -> None:
    few, all_found = (suggest("0.5B", top=top).shapes for top in (2, 1000))
    assert [one.training_time for one in few] == [one.training_time for one in all_found[:2]]
    assert min(one.training_time for one in few) > 1 == min(one.training_time for one in all_found)


def test_the_front_of_loss_against_time() -> None:
    shapes = suggest("1.2B", top=1000).shapes
    assert min(one.training_time for one in shapes) == 1
    for one in shapes:
        better = [
            other for other in shapes
            if other.training_time < one.training_time and other.costs[0].loss_excess < one.costs[0].loss_excess
        ]  # fmt: skip
        assert one.is_efficient == (not better)
    efficient = sorted((one for one in shapes if one.is_efficient), key=lambda one: one.training_time)
    costs = [one.costs[0].loss_excess for one in efficient]
    assert 1 < len(efficient) < len(shapes) and costs == sorted(costs, reverse=True)


def test_reference_points_and_words() -> None:
    found = suggest("1.2B")
    assert found.size_neighbours.n >= 20 and found.size_neighbours.n_inside == found.size_neighbours.n
    first = found.shapes[0].shape
    ratios = [abs(math.log(model.params_total / first.params_total)) for model in found.nearest_in_params]
    assert ratios == sorted(ratios) and ratios[-1] < 0.2
    assert all(known_models()[model.repo_id].is_base for model in found.nearest_in_params + found.nearest_in_shape)
    shapes = [(model.num_hidden_layers, model.hidden_size) for model in found.nearest_in_shape]
    assert len(set(shapes)) == len(shapes)
    assert (
        "by loss at equal total parameters and training tokens" in found.ranking and "one run per shape" in found.caveat
    )
    own = suggest("1.2B", interval=Interval(name="own", low=0.01, high=0.02, source="mine"))
    assert own.caveat == "the interval comes from mine"
    assert all(0.01 <= one.shape.r_dw <= 0.02 for one in own.shapes)


def test_what_the_notes_say() -> None:
    assert suggest("1.2B", vocab_size=50_257).notes == ["vocabulary padded from 50,257 to 50,304, a multiple of 64"]
    assert "vocabulary: 128,256" in suggest("1.2B").notes[0]
    assert "others tried" in suggest("2m", interval=shipped_interval(), **FEW).notes[-1]
    assert suggest("30m", **FEW).notes == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("300k", 300_000), ("1m", 10**6), ("1.2B", 1_200_000_000), ("1.2b", 1_200_000_000), ("2T", 2 * 10**12),
        ("1e9", 10**9), ("1.5E+3", 1500), ("1_200_000_000", 1_200_000_000), ("0.5k", 500), (1e9, 10**9), (7, 7),
    ],
)  # fmt: skip
def test_budgets(text: str | float, count: int) -> None:
    assert parse_budget(text) == count


@pytest.mark.parametrize(
    "text",
    ["0", "-1", "nan", "inf", "12 B", "", " 1B", "1,000", "1e", "1e9B", "B", "1__0", "1.B", "0.1", "1e-3", "0x10", "١",
     "9" * 5000, "1e999", float("nan"), float("inf"), -1, 0, True],
)  # fmt: skip
def test_what_is_no_budget(text: str | float) -> None:
    with pytest.raises(UsageError, match="--params"):
        suggest(text)


def test_a_number_too_long_to_be_shown_is_no_budget() -> None:
    with pytest.raises(UsageError, match="--params of so many digits"):
        suggest(10**5000)


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=60))
def test_any_text_is_a_budget_or_refused_in_one_line(text: str) -> None:
    try:
        assert parse_budget(text) >= 1
    except UsageError as error:
        assert len(str(error)) < 200


@pytest.mark.parametrize(
    ("params", "changes", "line"),
    [
        ("10", {}, "of which 8,208,384 are embedding; lower --vocab"),
        ("1e30", {}, "the nearest: 3437 layers × 32,576"),
        ("300k", {"vocab_size": 256, "interval": shipped_interval()},
         "the nearest: 4 layers × 64, 229,952 (-23.3 %); name that as --params"),
        ("1B", {"vocab_size": 0}, "--vocab must be between 1 and 10,000,000"),
        ("1B", {"vocab_size": 10**9}, "--vocab must be between 1 and 10,000,000"),
        ("1B", {"head_dim": 7}, "--head-dim must be a multiple of 8 up to 256"),
        ("1B", {"head_dim": 0}, "--head-dim must be"),
        ("1B", {"head_dim": -64}, "--head-dim must be"),
        ("1B", {"head_dim": 512}, "--head-dim must be"),
        ("1B", {"top": 0}, "--top must be between"),
        ("1B", {"tolerance": 0}, "--tolerance must be"),
        ("1B", {"tolerance": float("nan")}, "--tolerance must be"),
        ("1B", {"family": "lama"}, "did you mean llama"),
        ("1B", {"interval": Interval(name="own", low=1e9, high=None, source="")}, "no width up to 32,768"),
        ("1B", {"interval": Interval(name="own", low=None, high=1e-9, source="")}, "no width up to 32,768"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant(params: str, changes: dict[str, object], line: str) -> None:
    with pytest.raises(UsageError, match=re.escape(line)):
        suggest(params, **changes)  # type: ignore[arg-type]


def test_an_open_interval_binds_at_one_end() -> None:
    for low, high in ((0.01, None), (None, 0.01)):
        keeps_its_promises(suggest("1B", interval=Interval(name="own", low=low, high=high, source="test"), top=1000))


@pytest.mark.parametrize("family", families())
def test_a_written_config_builds_and_check_finds_no_fault(family: str, tmp_path: Path) -> None:
    """The folder as it is written, and a model of it as transformers saves it."""
    found = suggest("2m", family=family, vocab_size=512, head_dim=16, tolerance=0.1, tied=True, interval=_wide())
    folder = tmp_path / "config"
    assert write_config(found.shapes[0].config, folder) == folder / "config.json"
    alone = {finding.rule for finding in shape_audit.check(str(folder)).findings}
    assert alone <= {"SA705"} | _disliked(found)
    config = transformers.AutoConfig.from_pretrained(folder)
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == found.shapes[0].shape.params_total
    model.save_pretrained(tmp_path / "model")
    report = shape_audit.check(str(tmp_path / "model"), deep=True)
    of_shape = {finding.rule for finding in report.findings if finding.rule.startswith(("SA1", "SA2", "SA3", "SA4"))}
    assert of_shape <= {"SA101"} | _disliked(found), report.findings
    assert not report.failing
    audited = shape_audit.audit(str(tmp_path / "model"), shape_only=True, interval=None)
    shown, suggested = audited.shape.model_dump(), found.shapes[0].shape.model_dump()
    assert shown == suggested


@pytest.mark.parametrize("head_dim", [None, 16])
def test_a_small_model_inside_the_shipped_interval_is_clean(head_dim: int | None, tmp_path: Path) -> None:
    """With heads of 16 there are eight of them, and check has nothing to say of shape and sizes at all."""
    found = suggest("2m", vocab_size=512, head_dim=head_dim)
    write_config(found.shapes[0].config, tmp_path / "config")
    config = transformers.AutoConfig.from_pretrained(tmp_path / "config")
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "model")
    report = shape_audit.check(str(tmp_path / "model"), deep=True, weights=True)
    rules = {finding.rule for finding in report.findings if not finding.rule.startswith(("SA6", "SA7"))}
    assert rules == ({"SA206"} if head_dim is None else set()), report.findings
    assert not report.failing


def _wide() -> Interval:
    return Interval(name="own", low=0.01, high=0.07, source="test")


def _disliked(found: ShapeSuggestion) -> set[str]:
    """What check says of heads that do not split, which the suggestion says itself."""
    return {"SA206"} if any("do not split" in remark for remark in found.shapes[0].hardware) else set()


def test_a_config_is_never_written_over(tmp_path: Path) -> None:
    config = suggest("30m", **FEW).shapes[0].config
    write_config(config, tmp_path)
    before = (tmp_path / "config.json").read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        write_config(config, tmp_path)
    assert (tmp_path / "config.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    (tmp_path / "file").write_text("")
    with pytest.raises(IncompleteError, match="could not be written"):
        write_config(config, tmp_path / "file" / "folder")
    (tmp_path / "dangling").mkdir()
    (tmp_path / "dangling" / "config.json").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ShapeAuditError, match="exists already"):
        write_config(config, tmp_path / "dangling")
