"""What ships about the parts of blocks is what the installed transformers writes."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shape_audit.checks.biases import biases_of
from shape_audit.checks.block_parts import parts_of
from shape_audit.hub.json_files import parse_json_object
from shape_audit.shipped import DATA


def table_of(path: Path) -> dict[str, Any]:
    return parse_json_object(path.read_bytes(), file=path.name)


def parts_by_type(table: dict[str, Any]) -> dict[str, set[str]]:
    return {name: {table["parts"][number] for number in numbers} for name, numbers in table["types"].items()}


@pytest.mark.long
@pytest.mark.parametrize("types", [["qwen2", "falcon", "gemma4_text"]])
def test_the_shipped_parts_are_those_of_the_installed_transformers(types: list[str], tmp_path: Path) -> None:
    """All types take minutes; these have switches (multi_query, attention_k_eq_v) that change what a block holds."""
    script = Path(__file__).resolve().parents[2] / "scripts" / "make_block_parts.py"
    out = tmp_path / "made.json"
    subprocess.run([sys.executable, str(script), "--out", str(out), *types], check=True, capture_output=True)
    made, shipped = table_of(out), table_of(DATA / "block_parts.json")
    parts = parts_by_type(shipped)
    assert all(found <= parts[name] for name, found in parts_by_type(made).items())
    assert {*made["types"]} == {*types}
    assert made["biases"] == {name: shipped["biases"][name] for name in types}
    assert all({*names.split()} >= {*shipped["beside"][name].split()} for name, names in made["beside"].items())


def test_parts_of_a_block() -> None:
    assert parts_of(["mlp.experts.0.up.weight", "mlp.experts.1.up.weight", "norm.weight", "attn.q.bias"]) == {
        "": {"mlp", "norm"}, "mlp": {"experts"}, "mlp.experts": {"#"}, "mlp.experts.0": {"up"}, "mlp.experts.1": {"up"},
    }  # fmt: skip


def test_biases_of_a_block() -> None:
    names = ["q.weight", "q.bias", "experts.0.up.weight", "experts.0.up.bias", "experts.1.up.weight", "A_log", "o.bias"]
    assert biases_of(names) == {"q": True, "experts.#.up": False}
