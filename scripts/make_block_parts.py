"""Writes data/block_parts.json: what the parts of a decoder's blocks hold, for each type of transformers; which biases
their matrices have, and what stands beside the blocks, whatever the switches of the config are.

Each type is built on the meta device as its config class makes it, with few layers or few experts, and once more with
each of its own switches (`attention_k_eq_v`, `use_qk_norm` ...) the other way round, and saved with its own
save_pretrained, so that the names are those of files.

    .venv/bin/python scripts/make_block_parts.py [--out FILE] [TYPE ...]     # after an update of transformers
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import transformers
from transformers import CONFIG_MAPPING, PretrainedConfig

from benchmarks.meta_checkpoints import SETTINGS, build_from, model_types, reduced, save
from shape_audit.checks.beside_blocks import names_beside
from shape_audit.checks.biases import biases_of
from shape_audit.checks.block_parts import any_number, parts_of
from shape_audit.checks.checked_model import CheckedModel
from shape_audit.hub import inspect_model
from shape_audit.shape import text_part
from shape_audit.shipped import DATA

_NUMBERED = re.compile(r"\.\d+\.")
COMMON = {*PretrainedConfig().to_dict()}
"""Keys that every config has: their switches are about running a model, not about what it holds."""


def variants(model_type: str) -> Iterator[dict[str, Any]]:
    """Configs of a type: few layers; all layers and few experts; few layers with one switch changed."""
    whole = CONFIG_MAPPING[model_type](**SETTINGS.get(model_type, {})).to_dict()
    yield (few := reduced(whole))
    yield reduced(whole, layers=sys.maxsize, shared=sys.maxsize)
    text, _ = text_part(few)
    for key in sorted(key for key, value in text.items() if isinstance(value, bool) and key not in COMMON):
        changed = deepcopy(few)
        text_part(changed)[0][key] = not text[key]  # type: ignore[index]
        yield changed


def looks(model: Any) -> set[tuple[str, frozenset[str]]]:
    """What each numbered module holds, the numbers inside left out."""
    found: dict[tuple[str, str], set[str]] = {}
    for name in model.state_dict():
        list_name, number, rest = re.split(r"\.(\d+)\.", name, maxsplit=1) if _NUMBERED.search(name) else ("", "", name)
        found.setdefault((list_name, number), set()).add(_NUMBERED.sub(".#.", f".{rest}"))
    return {(list_name, frozenset(inside)) for (list_name, _), inside in found.items()}


@dataclass(frozen=True)
class Variant:
    """What a checkpoint of one variant shows.

    Attributes:
        parts: `part: what it holds`, of all its blocks.
        biases: module of a block -> whether its matrix has a bias; None where blocks differ.
        beside: names of what stands beside the blocks.
        switches: those of the config that are about biases.
    """

    parts: frozenset[str]
    biases: dict[str, bool | None]
    beside: frozenset[str]
    switches: dict[str, bool]


def seen_in(model_type: str, class_name: str) -> Iterator[tuple[str, Variant]]:
    """(type of the text model, what it shows) of all variants that can be built."""
    known: set[tuple[str, frozenset[str]]] = set()
    configs = variants(model_type)
    while True:
        with TemporaryDirectory(prefix="block-parts-") as folder:
            try:
                if (config := next(configs, None)) is None:
                    return
                built = build_from(model_type, class_name, config)
                if (look := looks(built)) <= known:
                    continue  # saving takes longer than building
                known |= look
                save(built, Path(folder))
            except Exception as error:  # a switch that does not go with the rest
                print(f"{model_type}: {type(error).__name__}: {str(error)[:80]}", file=sys.stderr)
                continue
            model = CheckedModel(inspect_model(folder))
            if model.stack is None or model.facts is None or model.facts.text_model_type is None:
                return
            yield model.facts.text_model_type, shown(model)


def shown(model: CheckedModel) -> Variant:
    """What a checkpoint shows that has blocks."""
    assert model.stack is not None
    parts, biases = set(), {}
    for names in {frozenset(block) for block in model.stack.blocks.values()}:
        parts |= {f"{any_number(part)}: {' '.join(sorted(inside))}" for part, inside in parts_of(names).items()}
        for module, has_bias in biases_of(names).items():
            biases[module] = has_bias if biases.get(module, has_bias) == has_bias else None
    switches = {k: v for k, v in model.text_config.items() if "bias" in k and isinstance(v, bool)}
    return Variant(frozenset(parts), biases, frozenset(names_beside(model)), switches)


def conditions(variants: list[Variant], defaults: Mapping[str, Any]) -> dict[str, str]:
    """Module -> when its matrix has a bias: `always`, `attention_bias=false` where that switch decides, and is false
    where the config is silent, or `sometimes`. Modules that never have one are left out."""
    seen: dict[str, list[tuple[bool | None, dict[str, bool]]]] = {}
    for variant in variants:
        for module, has_bias in variant.biases.items():
            seen.setdefault(module, []).append((has_bias, variant.switches))
    found = {}
    for module, cases in seen.items():
        answers = {has_bias for has_bias, _ in cases}
        keys = [k for k in cases[0][1] if all(case.get(k) == has_bias for has_bias, case in cases) and k in defaults]
        if answers == {True}:
            found[module] = "always"
        elif answers != {False}:
            found[module] = f"{keys[0]}={json.dumps(defaults[keys[0]])}" if len(keys) == 1 else "sometimes"
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, default=DATA / "block_parts.json")
    options.add_argument("types", nargs="*", metavar="TYPE")
    given = options.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    transformers.utils.logging.disable_progress_bar()
    classes = model_types()
    found: dict[str, list[Variant]] = {}
    for model_type in given.types or sorted(classes):
        for text_type, variant in seen_in(model_type, classes[model_type]):
            found.setdefault(text_type, []).append(variant)
    given.out.write_text(written(found), encoding="utf-8")


def written(found: dict[str, list[Variant]]) -> str:
    """The file: a line for each part and for each type."""
    parts = sorted({part for of_type in found.values() for variant in of_type for part in variant.parts})
    number = {part: place for place, part in enumerate(parts)}
    rows: dict[str, dict[str, str]] = {"types": {}, "biases": {}, "beside": {}}
    for name, of_type in sorted(found.items()):
        rows["types"][name] = json.dumps(sorted({number[part] for variant in of_type for part in variant.parts}))
        modules: dict[str, list[str]] = {}
        for module, when in sorted(conditions(of_type, _defaults(name)).items()):
            modules.setdefault(when, []).append(module)
        rows["biases"][name] = json.dumps({when: " ".join(listed) for when, listed in sorted(modules.items())})
        rows["beside"][name] = json.dumps(" ".join(sorted(frozenset.intersection(*(v.beside for v in of_type)))))
    source = f"models of transformers {transformers.__version__}, scripts/make_block_parts.py"
    listed = ",\n".join(f"    {json.dumps(part)}" for part in parts)
    tables = ",\n".join(
        f'  "{key}": {{\n' + ",\n".join(f"    {json.dumps(name)}: {row}" for name, row in table.items()) + "\n  }"
        for key, table in rows.items()
    )
    return f'{{\n  "source": "{source}",\n  "parts": [\n{listed}\n  ],\n{tables}\n}}\n'


def _defaults(text_type: str) -> dict[str, Any]:
    """What the class of a text model's config takes where the config is silent."""
    try:
        return dict(CONFIG_MAPPING[text_type]().to_dict())
    except Exception as error:
        print(f"{text_type}: {type(error).__name__}: {str(error)[:80]}", file=sys.stderr)
        return {}


if __name__ == "__main__":
    main()
