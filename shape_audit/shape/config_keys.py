"""The values of a config under whatever names its type uses, and what the type's class takes where it is silent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from shape_audit.errors import CorruptFileError
from shape_audit.shipped import facts

_FORMULA = re.compile(r"(?:(?P<factor>\d+) \* )?(?P<field>\w+)(?: // (?P<divisor>\w+))?")


class ConfigKeys:
    """One level of a config, read by the names of `data/config_facts.json` and `data/type_defaults.json`.

    Attributes:
        defaults: fields whose value was not in the config, but is its type's default.
        zeros: fields of which it says 0, where types have a use for that.
    """

    def __init__(self, config: Mapping[str, Any], model_type: str | None) -> None:
        self.config, self.model_type = config, model_type
        self._type: Mapping[str, Any] = facts("type_defaults")["types"].get(model_type, {})
        self.defaults: set[str] = set()
        self.zeros: set[str] = set()

    def first(self, field: str) -> Any:
        """The value under the first of a field's names that the config has."""
        own = self._type.get("names", {}).get(field)
        for alias in (*([own] if own else ()), *facts("config_facts")["aliases"][field]):
            if (value := at_path(self.config, alias)) is not None:
                return value
        return None

    def stated(self, field: str) -> int | None:
        """The number that the config itself gives; None for a list of one number a layer: the tensors will tell.

        Raises:
            CorruptFileError: something else than a positive whole number.
        """
        value = self.first(field)
        if value == 0 and not isinstance(value, bool) and field in facts("config_facts")["may_be_zero"]:
            self.zeros.add(field)
            return None
        if isinstance(value, list) and field == "num_hidden_layers":
            return len(value) or None  # one entry a layer
        if value is None or isinstance(value, list):
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**53:
            raise CorruptFileError(f"config.json: {field} is {str(value)[:40]!r}, not a positive whole number")
        divisor = self._divisor(field)
        return value // divisor if divisor else None

    def number(self, field: str) -> int | None:
        """The number that the config gives or implies, or else the default of its type.

        Raises:
            CorruptFileError: as `stated` says.
        """
        value = self._implied(field) or self.stated(field)
        if value is None and self.first(field) is None:
            value = self._default(field)
            self.defaults |= {field} if value is not None else set()
        return value

    def flag(self, field: str) -> bool | None:
        value = self.first(field)
        return value if isinstance(value, bool) else None

    def _default(self, field: str) -> int | None:
        default = self._type.get(field)
        latent = [key for key in facts("config_facts")["latent_attention_keys"] if key in self.config]
        is_null = field in self.config and field in ("head_dim", "num_key_value_heads")
        if field == "head_dim" and latent and not any(self.config[key] for key in latent):
            is_null = True  # a type of latent attention, built without it
        if is_null and isinstance(default, int):  # null asks for what follows from the other fields
            default = "hidden_size // num_attention_heads" if field == "head_dim" else "num_attention_heads"
        if not isinstance(default, str):
            return default if isinstance(default, int) and default > 0 else None
        formula = _FORMULA.fullmatch(default)
        assert formula, default
        value, divisor = self.number(formula["field"]), 1
        if formula["divisor"]:
            divisor = self.number(formula["divisor"]) or 0
        return value * int(formula["factor"] or 1) // divisor or None if value and divisor else None

    def _implied(self, field: str) -> int | None:
        """A value that follows from other fields of the config, whatever the field itself says."""
        for rule in facts("config_facts")["implied"]:
            if rule["field"] != field:
                continue
            assumed = rule["defaults"] if self.model_type in rule["types"] else {}
            found = {key: self.config.get(key, assumed.get(key)) for key in (*rule["when"], *rule["unless"])}
            if all(found[key] == value for key, value in rule["when"].items()) and not any(
                found[key] == value for key, value in rule["unless"].items()
            ):
                return self.number(rule["value"]) if isinstance(rule["value"], str) else int(rule["value"])
        return None

    def _divisor(self, field: str) -> int | None:
        """By what a type's own key must be divided: Qwen-1 counts both halves of the gated feed-forward.

        None where the key is no width at all.
        """
        for rule in facts("config_facts")["divided"]:
            conditions = rule["when"].items()
            if (
                rule["field"] == field
                and self.model_type in rule["types"]
                and all(self.config.get(key, value) == value for key, value in conditions)
            ):
                by = rule["by"]
                return by if isinstance(by, int) else None
        return 1


def at_path(config: Mapping[str, Any], path: str) -> Any:
    """The value at a key; `attn_config.kv_n_heads` is one level down; None where there is none."""
    value: Any = config
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def string(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def text_part(config: Mapping[str, Any]) -> tuple[Mapping[str, Any], str | None]:
    """The part of a config that describes the text model, and its model type.

    A nested part may be thin, or absent where all of it is the default: then the type says what it is. Older configs
    of nested types have the text's keys at the top.
    """
    top = string(config.get("model_type"))
    entry = facts("type_defaults")["types"].get(top, {})
    path, text_type = entry.get("text", ()), entry.get("text_type")
    part = at_path(config, ".".join(path)) if path else None
    if path and isinstance(part, dict):
        return part, string(part.get("model_type")) or text_type
    for keys in facts("config_facts")["text_config_keys"]:
        part = at_path(config, keys)
        if isinstance(part, dict) and (_tells_depth(part, None) or not _tells_depth(config, top)):
            return part, string(part.get("model_type")) or text_type or top
    if path:
        return (config if _tells_depth(config, text_type) else entry.get("without_text", {})), text_type
    return config, top


def _tells_depth(config: Mapping[str, Any], model_type: str | None) -> bool:
    return ConfigKeys(config, model_type).first("num_hidden_layers") is not None
