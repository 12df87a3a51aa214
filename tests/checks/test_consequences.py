"""One cause is one finding: what follows from it is named in it, and not reported a second time."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import shape_audit
from shape_audit.checks import RULES, Policy
from shape_audit.checks.policy import Ignored
from tests.checks.checkpoints import (
    VOCABULARY,
    WIDTH,
    clean_tensors,
    resized,
    safetensors_bytes,
    set_config,
    set_tensors,
    write_clean,
    write_sharded,
)
from tests.checks.test_rules import other_end_of_text, renamed, write

Spoil = Callable[[Path], object]
UP = "model.layers.2.mlp.up_proj.weight"


def after(*spoils: Spoil) -> Spoil:
    return lambda folder: [spoil(folder) for spoil in spoils]


def pickled_only(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x02}q\x00.")


def repeated(file: str, key: str, value: int) -> Spoil:
    """A key that stands in a JSON file already, once more at its end."""

    def spoil(folder: Path) -> None:
        text = (folder / file).read_text()
        (folder / file).write_text(f'{text[:-1]}, "{key}": {value}}}')

    return spoil


def lost_from_a_shard(name: str) -> Spoil:
    """A shard was written again without a tensor; the index still lists it."""

    def spoil(folder: Path) -> None:
        write_sharded(folder)
        second = {n: values for n, values in list(clean_tensors().items())[20:] if n != name}
        (folder / "model-00002-of-00002.safetensors").write_bytes(safetensors_bytes(second))

    return spoil


def cut_embedding(folder: Path) -> None:
    set_tensors(lambda t: resized(t, embed_tokens__weight=(VOCABULARY - 64, WIDTH)))(folder)
    set_config(eos_token_id=VOCABULARY - 1)(folder)


def adapter_alone(folder: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (folder / name).unlink()
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base"}')


CAUSES: dict[str, tuple[Spoil, bool, str, str]] = {
    # what was done; whether --deep looks; the finding; what follows from it
    "key/value heads that do not divide": (set_config(num_key_value_heads=3), False, "SA304", "SA205"),
    "the same, built": (set_config(num_key_value_heads=4), True, "SA304", "SA303"),
    "a wrong feed-forward width, built": (set_config(intermediate_size=200), True, "SA304", "SA202, SA303"),
    "a wrong depth": (set_config(num_hidden_layers=10**7), True, "SA304", "SA101, SA313"),
    "a list too short": (set_config(layer_types=["full_attention"] * 3), True, "SA319", "SA313"),
    "an embedding cut": (cut_embedding, True, "SA304", "SA303, SA317, SA601, SA602"),
    "an output matrix lost": (set_tensors(lambda t: t.pop("lm_head.weight")), True, "SA310", "SA301"),
    "pickled weights alone": (pickled_only, False, "SA705", "SA701"),
    "a repeated key": (after(other_end_of_text, repeated("generation_config.json", "eos_token_id", 3)), False,
                       "SA405", "SA603"),
    "a repeated depth": (repeated("config.json", "num_hidden_layers", 3), False, "SA405", "SA304"),
    "an end of text beyond the embedding": (
        after(set_config(eos_token_id=999), write("generation_config.json", '{"eos_token_id": 2}')), False,
        "SA602", "SA603"),
    "a tensor renamed": (set_tensors(renamed(lambda n: n.replace("2.mlp.up_proj", "2.mlp.upp_proj"))), False,
                         "SA301", "SA302"),
    "a module renamed": (set_tensors(renamed(lambda n: n.replace(".mlp.", ".ffn."))), True, "SA301", "SA302"),
    "a tensor lost from a shard": (lost_from_a_shard(UP), False, "SA306", "SA301, SA307"),
    "an adapter alone": (adapter_alone, False, "SA703", "SA411"),
}  # fmt: skip


@pytest.mark.parametrize("cause", CAUSES)
def test_a_cause_is_one_finding(cause: str, tmp_path: Path) -> None:
    spoil, deep, rule, following = CAUSES[cause]
    folder = write_clean(tmp_path / "model")
    spoil(folder)
    report = shape_audit.check(str(folder), deep=deep)
    bad = [(found.rule, found.message) for found in report.findings if found.severity != "note"]
    assert [one for one, _ in bad] == [rule], bad
    assert bad[0][1].endswith((f"({following} follows from this)", f"({following} follow from this)")), bad


def test_a_cause_that_nobody_looks_for_hides_nothing(tmp_path: Path) -> None:
    """Neither does one that is accepted, or that the policy takes for less than its consequence."""
    folder = write_clean(tmp_path / "model")
    set_config(num_key_value_heads=3)(folder)
    accepted = Policy(ignore=(Ignored(rule="SA304", reason="known"),))
    for options in ({"ignore": ("SA304",)}, {"policy": accepted}, {"policy": Policy(severity={"SA304": "note"})}):
        assert "SA205" in [found.rule for found in shape_audit.check(str(folder), **options).findings], options


def test_two_causes_are_two_findings(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_tensors(lambda t: t.update({UP: t[UP][1:]}))(folder)
    set_config(num_key_value_heads=4)(folder)
    for deep in (False, True):
        found = [one for one in shape_audit.check(str(folder), deep=deep).findings if one.severity != "note"]
        assert [(one.rule, one.place) for one in found] == [("SA303", UP), ("SA304", "num_key_value_heads")]
    pickled_only(folder)
    (folder / "training_args.bin").write_bytes(b"\x80\x02}q\x00.")
    found = [one for one in shape_audit.check(str(folder)).findings if one.severity != "note"]
    assert [(one.rule, one.file) for one in found] == [("SA701", "training_args.bin"), ("SA705", "config.json")]


def test_no_two_rules_explain_each_other() -> None:
    """Else both would go unsaid."""
    explained = {id: {other for other in RULES if other != id and other.startswith(rule.explains)}
                 for id, rule in RULES.items() if rule.explains}  # fmt: skip
    for rule in explained:
        reached, waiting = set(), [rule]
        while waiting:
            following = explained.get(waiting.pop(), set()) - reached
            reached |= following
            waiting += following
        assert rule not in reached, rule


def test_an_id_beyond_the_embedding_in_two_files_is_one_finding(tmp_path: Path) -> None:
    folder = write_clean(tmp_path / "model")
    set_config(eos_token_id=999)(folder)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [999]}))
    (found,) = shape_audit.check(str(folder)).failing
    assert found.rule == "SA602" and "eos_token_id = 999 (and in generation_config.json)" in found.message
