"""Reports: the verdict in words, the same numbers in every form, nothing from outside taken as markup."""

import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

import shape_audit
from shape_audit.interval import derive_interval
from shape_audit.records import AuditRecord, Interval
from shape_audit.reports import (
    as_json,
    audit_markdown,
    audit_text,
    comparison_text,
    cost_percent,
    headline,
    interval_markdown,
    interval_text,
)
from shape_audit.reports.rich_tables import FittedTable
from shape_audit.reports.tables import Table
from shape_audit.shape import known_models, place
from shape_audit.yardsticks import shape_costs, shipped_yardstick


def words(content: RenderableType) -> str:
    """What a report says, wherever its lines end."""
    return " ".join(drawn(content).split())


def drawn(content: RenderableType, width: int = 100) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, highlight=False).print(content)
    return stream.getvalue()


@pytest.fixture(scope="module")
def measured(tiny_llama: Path) -> AuditRecord:
    return shape_audit.audit(str(tiny_llama), windows=3, seq_len=16)


@pytest.fixture(scope="module")
def shape_only(tiny_llama: Path) -> AuditRecord:
    return shape_audit.audit(str(tiny_llama), shape_only=True)


def at(record: AuditRecord, low: float | None, high: float | None) -> AuditRecord:
    interval = Interval(name="mine", low=low, high=high, source="mine.json")
    return record.model_copy(update={"placement": place(record.shape.r_dw, interval)})


def test_the_verdict_comes_first_and_in_words(measured: AuditRecord) -> None:
    lines = drawn(audit_text(measured)).splitlines()
    assert "From 3 windows this is a rough estimate." in words(audit_text(measured))
    assert lines[0].startswith("2 layers on a width of 24: R_D/W 0.0833. By 22 models of 50M-2B trained alike")
    text = words(audit_text(measured))
    assert measured.shape_cost is not None and measured.shape_cost[0].loss_excess_ci is not None
    low, high = (f"{100 * end:.2f}" for end in measured.shape_cost[0].loss_excess_ci)
    assert (
        f"this shape costs 0.73 % [{low}, {high}] of loss against the best shape at equal non-embedding parameters "
        in text
    )
    assert "(extrapolated: those models do not reach its size)" in text
    assert "▶ tiny-llama is above the efficient interaction interval: deep for its width, [0.0204, 0.0645]" in text
    assert "At this width, 1 layer would be inside." in text
    used, ratio = text.index("of 24 directions) "), text.index("The AOFE-ratio, the paper's quantity, is ")
    assert text.index("On this text gradients use") < used < text.index("Channel alignment is") < ratio
    assert "where a random basis has" in text and "alone it is not a property of the function" in text
    assert "bits per byte" in text
    assert "of the 184 base models in the shipped table 160 lie below it" in text


@pytest.mark.parametrize("width", [30, 50, 80, 200])
def test_no_cell_of_a_table_loses_a_digit_in_a_narrow_terminal(width: int) -> None:
    """What there is no room for stands below, beside the same names."""
    numbers = tuple(f"{number}.{number}23 [0.1, 0.{number}]" for number in range(7))
    columns = ("model", *(f"column {number}" for number in range(7)))
    text = drawn(FittedTable(Table("Title", columns, (("org/name", *numbers),))), width)
    assert all(cell in text for cell in (*numbers, *columns)) and text.count("Title") == 1
    assert max(map(len, text.splitlines())) <= width
    assert text.count("org/name") == text.count("model") == {30: 7, 50: 4, 80: 2, 200: 1}[width]


def shaped(record: AuditRecord, depth: int, width: int, params: tuple[int, int], **model: str) -> AuditRecord:
    """The record of another shape, with total and non-embedding parameters, as `audit --yardstick gemstones,morph`."""
    total, non_embedding = params
    sizes = {"num_hidden_layers": depth, "hidden_size": width, "r_dw": depth / width}
    counts = {"params_total": total, "params_non_embedding": non_embedding}
    shape = record.shape.model_copy(update=sizes | counts)
    known = known_models().get(model.get("repo_id", ""))
    tokens = known.train_tokens if known else None
    costs = [c for name in ("gemstones", "morph") for c in shape_costs(shipped_yardstick(name), shape, tokens=tokens)]
    identity = record.model.model_copy(update=model)
    return record.model_copy(update={"shape": shape, "shape_cost": costs, "model": identity})


def test_a_cost_names_its_basis_and_the_other_where_that_is_larger(shape_only: AuditRecord) -> None:
    """A wide model with a large vocabulary costs more of a total budget than of the blocks' alone."""
    wide = shaped(shape_only, 6, 2048, (500_000_000, 237_000_000))
    assert wide.shape_cost is not None
    non_embedding, total = wide.shape_cost[0], wide.shape_cost[2]
    assert (total.basis, total.price) == ("total", "tokens")
    assert total.loss_excess_ci and non_embedding.loss_excess_ci
    assert total.loss_excess_ci[0] > non_embedding.loss_excess_ci[1]
    text = words(audit_text(wide))
    low, high = (f"{100 * end:.1f}" for end in total.loss_excess_ci)
    assert (
        f"non-embedding parameters and tokens ({100 * total.loss_excess:.1f} % [{low}, {high}] at equal total" in text
    )
    deep = shaped(shape_only, 46, 896, (500_000_000, 385_000_000))
    assert "parameters and tokens, about what" in headline(deep) and "at equal total" not in headline(deep)


def test_what_is_extrapolated_in_tokens_says_from_how_many(shape_only: AuditRecord) -> None:
    known = {"repo_id": "Qwen/Qwen2.5-0.5B", "source": "hub"}
    line = headline(shaped(shape_only, 24, 896, (494_032_768, 357_898_112), **known))
    assert line.endswith("those models do not reach its 18.0T training tokens, where they saw at most 350B).")


def test_models_side_by_side_say_what_each_report_says(shape_only: AuditRecord, measured: AuditRecord) -> None:
    """All yardsticks, the costs that stand in place of what was not measured, and a mark on what is extrapolated."""
    wide, usual = (shaped(shape_only, depth, 2048, (1_300_000_000, 1_000_000_000)) for depth in (6, 24))
    text = drawn(comparison_text([wide, usual]))
    head = next(line for line in text.splitlines() if line.startswith("model"))
    assert head.split() == ["model", "shape", "R_D/W", "gemstones", "equal", "time", "equal", "total", "morph"]
    costs = [f"{cost_percent(cost.loss_excess)}{' *' if cost.extrapolates else ''}" for cost in wide.shape_cost or ()]
    row = next(line for line in text.splitlines() if "6 × 2,048" in line)
    assert [" ".join(cell.split()) for cell in row.split("  ") if "%" in cell] == [costs[i] for i in (0, 1, 2, 4)]
    assert " *" in costs[0] and "*: extrapolated" in text
    one = next(line for line in drawn(comparison_text([measured, usual])).splitlines() if line.startswith("model"))
    assert one.split()[-4:] == ["used", "alignment", "AOFE-ratio", "bits/byte"] and "time" not in one


def test_a_shape_that_config_and_tensors_disagree_about_is_said_to_be_in_doubt_first(
    tiny_llama: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_llama, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    record = shape_audit.audit(str(folder), shape_only=True)
    says = (
        "Config and tensors disagree about the shape: num_hidden_layers = 3, but the tensors show 2 blocks. By the "
        "config alone, 3 layers on a width of 24: "
    )
    assert words(audit_text(record)).startswith(says) and words(audit_text(record)).index(" costs ") > len(says)
    assert audit_markdown(record).replace("\\", "").startswith(f"# model\n\n**{says}")
    other = record.model_copy(
        update={"notes": [note.replace("num_hidden_layers", "vocab_size") for note in record.notes]}
    )
    assert words(audit_text(other)).startswith("3 layers on a width of 24: ")


def test_a_record_without_costs_begins_with_the_placement(measured: AuditRecord) -> None:
    text = words(audit_text(measured.model_copy(update={"shape_cost": None, "serving": None})))
    assert text.startswith("▶ tiny-llama is above the efficient interaction interval: deep for its width 2 layers on")
    assert "R_D/W = 0.0833, interval [0.0204, 0.0645]" in text and "Cost of the shape" not in text


@pytest.mark.parametrize(
    ("protocol", "can_be_rotated"), [("loss-gradient", True), ("projected-output", False), ("input-simplex", False)]
)
def test_a_rotation_changes_the_ratio_of_a_stream_alone(
    protocol: str, can_be_rotated: bool, measured: AuditRecord
) -> None:
    assert measured.interaction is not None
    interaction = measured.interaction.model_copy(update={"protocol": protocol})
    text = words(audit_text(measured.model_copy(update={"interaction": interaction})))
    assert "it follows the share of directions used" in text and ("can be rotated" in text) == can_be_rotated


def test_what_serving_costs_is_said(shape_only: AuditRecord) -> None:
    assert "Serving: 192 B of KV cache per token (float32); " in words(audit_text(shape_only))
    serving = shape_only.serving
    assert serving is not None
    for beyond, said in ((96, "96 B"), (0, "no more")):
        windowed = serving.model_copy(update={"kv_cache_bytes_per_token_beyond_windows": beyond})
        text = words(audit_text(shape_only.model_copy(update={"serving": windowed})))
        assert f"192 B of KV cache per token (float32), {said} once its sliding windows are full" in text


def test_each_side_and_open_ends(shape_only: AuditRecord) -> None:
    assert "● tiny-llama is inside" in words(audit_text(at(shape_only, 0.05, 0.1)))
    below = words(audit_text(at(shape_only, 0.2, 0.5)))
    assert "◀ tiny-llama is below" in below and "5 to 12 layers would be inside" in below
    assert "5 or more layers would be inside" in words(audit_text(at(shape_only, 0.2, None)))
    assert "1 or fewer layers would be inside" in words(audit_text(at(shape_only, None, 0.06)))
    assert "no number of layers would be inside" in words(audit_text(at(shape_only, None, 0.001)))
    assert "no number of layers would be inside" in words(audit_text(at(shape_only, 0.001, 0.002)))
    assert "[0.2000, open]" in words(audit_text(at(shape_only, 0.2, None)))


def test_intervals_are_spoken_of_where_there_are_some(measured: AuditRecord, tiny_llama: Path) -> None:
    few, enough = (
        drawn(audit_text(measured)),
        drawn(audit_text(shape_audit.audit(str(tiny_llama), windows=6, seq_len=16))),
    )
    assert "±" not in few and "No intervals: they take 6 windows or more." in few
    assert "± half of the 95 % interval." in enough and "No intervals" not in enough


def test_every_form_shows_the_same_numbers(measured: AuditRecord) -> None:
    assert measured.interaction is not None and measured.loss is not None
    text, markdown = (form.replace(" †", "") for form in (drawn(audit_text(measured)), audit_markdown(measured)))
    for site in measured.interaction.sites:
        numbers = (site.channel_alignment, site.aofe_ratio, site.aofe_ratio_random_basis, site.aofe_ratio_plugin)
        shown = [f"{number:.3f}" for number in numbers if number is not None]
        table = text[text.index("Interaction (") :].splitlines()
        row = next(line for line in table if line.startswith(site.name))
        assert len(shown) == 4 and row.split()[-4:] == shown
        assert f"% | {' | '.join(shown)} |" in markdown
    assert f"{measured.shape.params_total:,}" in text and f"{measured.shape.params_total:,}" in markdown
    assert AuditRecord.model_validate_json(as_json(measured)) == measured
    assert json.loads(as_json(measured))["environment"]["wall_seconds"]["pass"] > 0


def test_a_narrow_terminal_loses_nothing(measured: AuditRecord) -> None:
    assert measured.interaction is not None
    for width in (40, 80, 200):
        text = drawn(audit_text(measured), width)
        assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert all(site.name in text for site in measured.interaction.sites)


def test_names_are_shown_and_never_obeyed(shape_only: AuditRecord) -> None:
    name = "[red]x[/red]|<script>*_`\n# y"
    model = shape_only.model.model_copy(update={"repo_id": name, "architecture": name})
    hostile = shape_only.model_copy(update={"model": model, "notes": [name]})
    assert "[red]x[/red]" in drawn(audit_text(hostile))
    markdown = audit_markdown(hostile)
    assert "<script>" not in markdown and r"\<script\>" in markdown and "\n# y" not in markdown
    assert all(line.count(" | ") <= 2 for line in markdown.splitlines() if line.startswith("| architecture"))


def test_interval_reports() -> None:
    text = drawn(interval_text(derive_interval()))
    assert text.startswith("Efficient interaction interval of R_D/W: [0.0204, 0.0645] (reference sweep, 2 %; 9 budgets")
    assert "0.0667 open" in text and "empty (0.0357 > 0.0284)" in text
    assert "| 10.0M | 5 of 6 | 0.0352 |" in interval_markdown(derive_interval())
    empty = drawn(interval_text(derive_interval(tolerance=0.01)))
    assert empty.startswith("No R_D/W is within the tolerance at every budget")


def test_control_characters_do_not_reach_a_terminal(shape_only: AuditRecord) -> None:
    model = shape_only.model.model_copy(update={"repo_id": "a\x1b]0;b\x07\x1b[2J", "architecture": "x\x1b[31m"})
    hostile = shape_only.model_copy(update={"model": model, "notes": ["n\x1b[1m\u202e"]})
    assert "\x1b" not in drawn(audit_text(hostile)) and "\x1b" not in audit_markdown(hostile)
    assert "\x1b" not in drawn(comparison_text([hostile, hostile]))


def test_noise_is_not_stated_as_fact(measured: AuditRecord) -> None:
    assert measured.interaction is not None
    sites = [site.model_copy(update={"below_noise_floor": True}) for site in measured.interaction.sites]
    noisy = measured.model_copy(update={"interaction": measured.interaction.model_copy(update={"sites": sites})})
    assert "cannot be told from so few windows" in words(audit_text(noisy)) and "embedding †" in words(
        audit_text(noisy)
    )
