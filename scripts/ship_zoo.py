"""Make built-in models of the zoo that scripts/train_zoo has trained: bfloat16 weights, and a card with their figures.

    .venv/bin/python scripts/ship_zoo.py                    # six of the models in build/zoo
    .venv/bin/python scripts/ship_zoo.py --depths 1,4,16    # others

A card's figures are those of the sweep's table, and the test cross-entropy once more, of the weights that ship.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from shape_audit.hub import quiet_transformers, read_checkpoint
from shape_audit.models import LoadOptions, load_model
from shape_audit.parallel import SingleProcess
from shape_audit.records import SweepRow
from shape_audit.sweep.bytes_data import read_data
from shape_audit.sweep.evaluation import cross_entropy
from shape_audit.sweep.table import read_table

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ROOT / "shape_audit" / "data" / "builtin"
FILES = ("config.json", "tokenizer.json", "tokenizer_config.json")


def name_of(row: SweepRow) -> str:
    return f"zoo-300k-{row.num_hidden_layers}x{row.hidden_size}"


def write_model(source: Path, folder: Path) -> None:
    """The model of a folder with its weights rounded to bfloat16."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(source / name, folder / name)
    config = json.loads((folder / "config.json").read_text())
    dtype = "dtype" if "dtype" in config else "torch_dtype"
    (folder / "config.json").write_text(json.dumps(config | {dtype: "bfloat16"}, indent=2) + "\n")
    weights = {name: tensor.to(torch.bfloat16) for name, tensor in load_file(source / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)


def card(row: SweepRow, bfloat16_ce: float, table: list[SweepRow]) -> str:
    name = name_of(row)
    shapes = len({(other.num_hidden_layers, other.hidden_size) for other in table})
    rates = [other.learning_rate for other in table]
    seeds = "one seed" if len({other.seed for other in table}) == 1 else "few seeds"
    figures = {
        "parameters": f"{row.params:,} ({round(row.miss * 100, 1) + 0:+.1f} % of the budget)",
        "predicted bytes": f"{row.tokens:,}",
        "peak learning rate": f"{row.learning_rate:.4g}",
        "test text": f"{row.test_ce:.4f} nats per byte in float32, {bfloat16_ce:.4f} with the weights that ship",
    }
    layers = f"{row.num_hidden_layers} layer{'s' if row.num_hidden_layers > 1 else ''}"
    rows = "\n".join(f"| {key} | {value} |" for key, value in figures.items())
    return f"""---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
tags: [byte-level, llama]
---
# {name}

One of {shapes} byte-level Llamas of 300,000 parameters and different shape, trained on the same bytes by one recipe
(whose peak learning rate follows the width: {min(rates):.4g} to {max(rates):.4g}): this one has {layers} on a
width of {row.hidden_size}, R_D/W = {row.r_dw:.4f}. Ships with shape-audit as `builtin:{name}`. A token is a byte; there
are no special tokens. It predicts English prose of the nineteenth century. The family shows the tool, not the law: 300k
parameters are fewer than any budget of the efficient interaction interval, and each shape has {seeds}.

Made by `scripts/train_zoo` (AdamW, windows of 256 bytes, 32 at a time, seed {row.seed}) on 39 public-domain books
(github.com/mlschmitt/classic-books-markdown, commit 9448827), cleaned. All of the sweep: `benchmarks/results/zoo`.

| what | figure |
| --- | --- |
{rows}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zoo", type=Path, default=ROOT / "build" / "zoo")
    parser.add_argument("--depths", default="1,2,4,8,12,16")
    parser.add_argument("--data", default=str(ROOT.parent / "shared" / "materials" / "corpus"))
    parser.add_argument("--output", type=Path, default=SHIPPED)
    options = parser.parse_args()
    table = read_table(options.zoo / "table.csv")
    text = read_data(options.data, seq_len=256)
    settings = json.loads((options.zoo / "sweep.json").read_text())
    if text.sha256["test"] != settings["test_sha256"]:
        raise SystemExit(f"--data {options.data}: not the test text of {options.zoo}")
    for depth in map(int, options.depths.split(",")):
        row = next((row for row in table if row.num_hidden_layers == depth), None)
        if row is None:
            raise SystemExit(f"--depths {depth}: no such model in {options.zoo / 'table.csv'}")
        with tempfile.TemporaryDirectory() as place, quiet_transformers():
            made = Path(place) / name_of(row)
            write_model(options.zoo / "models" / row.name, made)
            model = load_model(read_checkpoint(str(made)), LoadOptions(dtype="float32", device="cpu")).model
            loss, _ = cross_entropy(model, text.test, 256, SingleProcess())
            (made / "README.md").write_text(card(row, loss, table))
            shutil.copytree(made, options.output / made.name, dirs_exist_ok=True)
        print(f"{made.name}: {row.test_ce:.4f} in float32, {loss:.4f} as it ships")


if __name__ == "__main__":
    main()
