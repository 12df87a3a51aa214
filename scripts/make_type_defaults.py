"""Writes data/type_defaults.json: what transformers takes where a config.json is silent.

For each model type that generates text (causal-LM, image-text-to-text and multimodal-LM classes) and the type of its
text part: the defaults of its configuration class, the class's own names of the fields, and where its text part is.
A default that follows from other fields is found by changing these, and written as a formula.

    .venv/bin/python scripts/make_type_defaults.py [FILE]     # after an update of transformers
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import transformers
from transformers import CONFIG_MAPPING
from transformers.models.auto import modeling_auto

from shape_audit.shipped import DATA

MAPPINGS = ("CAUSAL_LM", "IMAGE_TEXT_TO_TEXT", "MULTIMODAL_LM")
FIELDS = (
    "num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads", "head_dim",
    "vocab_size", "max_position_embeddings", "tie_word_embeddings",
)  # fmt: skip
PER_HEAD = "hidden_size // num_attention_heads"
"""What modelling code takes where a class has no head_dim: `configuration_utils.get_head_shapes`."""
FORMULAS = {"num_key_value_heads": ("num_attention_heads",), "head_dim": (PER_HEAD, f"2 * {PER_HEAD}")}
DECODER_HALF = ("decoder", "generator")
"""Parts of models with an encoder: no text part in our sense."""


def generating_classes() -> dict[str, set[str]]:
    """Model type -> classes of the three mappings."""
    classes: dict[str, set[str]] = {}
    for mapping in MAPPINGS:
        for model_type, names in getattr(modeling_auto, f"MODEL_FOR_{mapping}_MAPPING_NAMES").items():
            classes.setdefault(model_type, set()).update([names] if isinstance(names, str) else names)
    return classes


def value_of(config: Any, field: str) -> Any:
    """A field under the class's own name; None where the class has none."""
    try:
        value = getattr(config, config.attribute_map.get(field, field), None)
    except Exception:  # fields that differ by layer refuse to be read
        return None
    return value if isinstance(value, int) else None


def calculated(formula: str, config: Any) -> int | None:
    """What a formula gives for a config; None where it lacks a part."""
    parts = {field: value_of(config, field) for field in FIELDS}
    try:
        return int(eval(formula, {}, parts))
    except (TypeError, ZeroDivisionError):
        return None


def default_of(cls: Any, config: Any, field: str) -> int | str | None:
    """A number, or the formula that gives it whatever the other fields are."""
    value = value_of(config, field)
    if value is None:
        return PER_HEAD if field == "head_dim" else "num_attention_heads" if field == "num_key_value_heads" else None
    multiple = value // (value_of(config, "hidden_size") or value + 1)
    for formula in FORMULAS.get(field, (f"{multiple} * hidden_size",) if field == "intermediate_size" else ()):
        changed = [
            variant for part in ("hidden_size", "num_attention_heads") if (variant := doubled(cls, config, part))
        ]
        if changed and all(value_of(c, field) == calculated(formula, c) for c in (config, *changed)):
            return formula
    return value


def doubled(cls: Any, config: Any, field: str) -> Any:
    """The default config with one field twice as large; None where the class refuses it."""
    value = value_of(config, field)
    try:
        return None if value is None else cls(**{config.attribute_map.get(field, field): 2 * value})
    except Exception:
        return None


def text_path(config: Any, wanted: Any) -> list[str] | None:
    """The keys that lead from a config to its text part."""
    for key in getattr(config, "sub_configs", {}):
        part = getattr(config, key, None)
        if part is wanted:
            return [key]
        if part is not None and (path := text_path(part, wanted)) is not None:
            return [key, *path]
    return None


def own_values(text: Any) -> dict[str, int]:
    """What a class gives its text part where that is absent, beyond the defaults of the part's own type."""
    try:
        bare = type(text)()
    except Exception:
        return {}
    own = {field: value for field in FIELDS if (value := value_of(text, field)) is not None}
    return own if any(value_of(bare, field) != value for field, value in own.items()) else {}


def facts_of(model_type: str) -> tuple[dict[str, Any], str | None]:
    """The entry of a type, and the type of its text part; an empty entry where its class cannot be made bare."""
    cls = CONFIG_MAPPING[model_type]
    try:
        config = cls()
        text = config.get_text_config(decoder=True)
    except Exception as error:
        print(f"{model_type}: {type(error).__name__}: {str(error)[:80]}", file=sys.stderr)
        return {}, None
    entry: dict[str, Any] = {}
    if getattr(config, "is_encoder_decoder", False):
        return {"is_encoder_decoder": True, "tie_word_embeddings": bool(value_of(config, "tie_word_embeddings"))}, None
    path = text_path(config, text) if text is not config else None
    if path and path[-1] not in DECODER_HALF:
        entry |= {
            "text": path,
            "text_type": text.model_type,
            "tie_word_embeddings": bool(value_of(config, "tie_word_embeddings")),
        }
        if own := own_values(text):
            entry["without_text"] = own
        return entry, str(text.model_type)
    names = {field: name for field, name in cls.attribute_map.items() if field in FIELDS}
    entry |= {"names": names} if names else {}
    for field in FIELDS:
        if (value := default_of(cls, config, field)) is not None:
            entry[field] = value
    return entry, None


def main() -> None:
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    classes = generating_classes()
    waiting, types = sorted(classes), {}
    while waiting:
        model_type = waiting.pop()
        if model_type in types or model_type not in CONFIG_MAPPING:
            continue
        entry, text_type = facts_of(model_type)
        types[model_type] = entry
        waiting += [text_type] if text_type else []
    lines = [f"    {json.dumps(name)}: {json.dumps(types[name])}" for name in sorted(types)]
    every = sorted({name for names in classes.values() for name in names})
    source = f"configuration classes of transformers {transformers.__version__}, scripts/make_type_defaults.py"
    text = "{\n" + f'  "source": "{source}",\n'
    text += '  "classes": ' + json.dumps(every) + ",\n"
    others = sorted(set(CONFIG_MAPPING.keys()) - set(types))
    text += '  "other_types": ' + json.dumps(others) + ",\n"
    text += '  "types": {\n' + ",\n".join(lines) + "\n  }\n}\n"
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA / "type_defaults.json"
    out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
