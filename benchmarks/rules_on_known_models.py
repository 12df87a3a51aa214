"""How many real models each rule about shape and sizes flags: one that flags most good models is a bad rule.

Every row of the shipped table becomes a config, and the rules that look at nothing but sizes are asked.

.venv/bin/python benchmarks/rules_on_known_models.py [--save]
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.reporting import heading, publish
from shape_audit.checks import RULES, Policy
from shape_audit.checks.checked_model import CheckedModel
from shape_audit.hub import Inspection, TensorHeader
from shape_audit.records import ModelRef
from shape_audit.shape import KnownModel, known_models


def as_checked(known: KnownModel) -> CheckedModel:
    """A model of which nothing but its sizes is known."""
    config = {
        "model_type": known.architecture, "num_hidden_layers": round(known.r_dw * known.hidden_size),
        "hidden_size": known.hidden_size, "intermediate_size": known.intermediate_size,
        "num_attention_heads": known.num_attention_heads, "num_key_value_heads": known.num_key_value_heads,
        "head_dim": known.head_dim, "vocab_size": known.vocab_size,
    }  # fmt: skip
    embedding = {"model.embed_tokens.weight": TensorHeader("BF16", (known.vocab_size or 1, known.hidden_size))}
    files = Inspection(
        repository=SimpleNamespace(ref=ModelRef("hub", known.repo_id), sizes={}, sha256={}, folder=None),
        documents={"config.json": config},
        headers={"model.safetensors": embedding},
        index_file="",
        weight_map={},
        weight_files=("model.safetensors",),
        faults=(),
    )
    return CheckedModel(files)


def main() -> None:
    models = list(known_models().values())
    flagged: dict[str, Counter[str]] = {rule.id: Counter() for rule in RULES.values() if rule.family in ("SA1", "SA2")}
    examples: dict[str, list[str]] = {id: [] for id in flagged}
    for known in models:
        for id in flagged:
            levels = [seen.severity or RULES[id].severity for seen in RULES[id].look(as_checked(known), Policy())]
            flagged[id].update({min(levels, key=("error", "warning", "note").index)} if levels else ())
            if levels and len(examples[id]) < 3:
                examples[id].append(known.repo_id)
    text = heading("What the rules about shape and sizes say of the shipped table")
    text += f"\n{len(models)} real dense models, base and derived; each counted once a rule, by its worst severity.\n\n"
    text += "| rule | error | warning | note | flagged | for example |\n| --- | ---: | ---: | ---: | ---: | --- |\n"
    for id, counts in sorted(flagged.items()):
        share = f"{100 * counts.total() / len(models):.0f} %"
        levels = " | ".join(str(counts[level]) for level in ("error", "warning", "note"))
        text += f"| {id} {RULES[id].name} | {levels} | {share} | {', '.join(examples[id])} |\n"
    publish(__file__, text.rstrip())


if __name__ == "__main__":
    main()
