"""What configs promise: names of native layouts, thin and nested configs, the defaults of their types."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import CONFIG_MAPPING, PreTrainedConfig

from shape_audit.shape import read_config
from shape_audit.shipped import DATA, facts

FIELDS = ("num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim", "vocab_size",
          "intermediate_size", "max_position_embeddings")  # fmt: skip


@pytest.mark.long
def test_the_shipped_defaults_are_those_of_the_installed_transformers(tmp_path: Path) -> None:
    """What the script writes is what ships: an update of transformers asks for its run."""
    script = Path(__file__).resolve().parents[2] / "scripts" / "make_type_defaults.py"
    subprocess.run([sys.executable, str(script), str(tmp_path / "made.json")], check=True, capture_output=True)
    assert (tmp_path / "made.json").read_text() == (DATA / "type_defaults.json").read_text()


def made_by_transformers(model_type: str, said: dict[str, int]) -> PreTrainedConfig | None:
    """The text part of a type's config; None where the class cannot be made bare, or refuses the sizes."""
    names = facts("type_defaults")["types"][model_type].get("names", {})
    with contextlib.suppress(Exception):
        config = CONFIG_MAPPING[model_type](**{names.get(field, field): value for field, value in said.items()})
        return config.get_text_config(decoder=True)
    return None


@pytest.mark.parametrize("said", [{}, {"hidden_size": 512, "num_attention_heads": 8}])
def test_a_thin_config_is_what_its_class_makes_of_it(said: dict[str, int]) -> None:
    """For every type: all fields left out, and with two given from which others may follow."""
    compared, differing = 0, {}
    for model_type, entry in facts("type_defaults")["types"].items():
        made = made_by_transformers(model_type, said)
        if made is None or entry.get("is_encoder_decoder") or ("text" in entry and said):
            continue
        read = read_config({"model_type": model_type, **said})
        for field in set(FIELDS) - exceptions(model_type):
            value = stated(made, field)
            if value is not None:
                compared += 1
                if getattr(read, field) != value:
                    differing[model_type, field] = (value, getattr(read, field))
    assert not differing
    assert compared > (1200 if not said else 800)


def stated(config: PreTrainedConfig, field: str) -> int | None:
    try:
        value = getattr(config, field, None)
    except RuntimeError:  # differs by layer
        return None
    return value if isinstance(value, int) and value > 0 else None


def exceptions(model_type: str) -> set[str]:
    """Fields that are read in another sense than the class's key of that name."""
    table = facts("config_facts")
    of_rules = {rule["field"] for rule in table["implied"] + table["divided"] if model_type in rule["types"]}
    return of_rules | ({"intermediate_size"} if model_type in ("llama4", "llama4_text") else set())
