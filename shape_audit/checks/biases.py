"""Biases that all blocks lack though their type has them, or have though it has none: no neighbour tells of these.

Which matrices of a block have one is known for each type, always or by the switch of the config that decides it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shape_audit.checks.block_parts import any_number, can_tell, is_of_another_type, unknown_parts
from shape_audit.checks.checked_model import CheckedModel
from shape_audit.shape import role_of
from shape_audit.shipped import facts


def biases_of(names: Iterable[str]) -> dict[str, bool]:
    """Module (there, `#` is any number) -> whether a bias stands beside its weight, in all modules of this name."""
    every, found = {*names}, dict[str, bool]()
    for name in every:
        if name.endswith(".weight"):
            module = name.removesuffix(".weight")
            found[any_number(module)] = f"{module}.bias" in every and found.get(any_number(module), True)
    return found


@dataclass(frozen=True)
class OddBiases:
    """Biases that all blocks lack, or have, against what their type has.

    Attributes:
        names: of the biases, stored or not.
        switch: the key of the config that decides; None where the type leaves no choice.
    """

    names: tuple[str, ...]
    switch: str | None


def odd_biases(model: CheckedModel) -> tuple[list[OddBiases], list[OddBiases]]:
    """Those that are lacking, and those that the model has no place for; by the switch that decides."""
    table = facts("block_parts")["biases"].get(model.facts.text_model_type if model.facts else None)
    if table is None or model.stack is None or not can_tell(model) or is_of_another_type(model):
        return [], []
    if model.is_quantized:
        return [], []  # AutoGPTQ stores one for each matrix, which may be zero
    wanted = dict(_wanted(table, model.text_config))
    every = {name for block in model.stack.blocks.values() for name in block}
    unknown, otherwise = unknown_parts(model), None if _is_said(True, model.text_config) else False
    lacking: dict[str | None, list[str]] = {}
    surplus: dict[str | None, list[str]] = {}
    for index, block in model.stack.blocks.items():
        for name, header in block.items():
            module, _, leaf = name.rpartition(".")
            if leaf != "weight" or name in unknown:
                continue
            is_wanted, switch = wanted.get(any_number(module), (otherwise, None))
            bias, is_matrix = f"{module}.bias", len(header.shape) == 2 and role_of(f"block.0.{name}") != "norms"
            if is_wanted and bias not in every:
                lacking.setdefault(switch, []).append(model.stack.name_of(index, bias))
            elif is_wanted is False and bias in block and bias in model.stack.usual and is_matrix:
                surplus.setdefault(switch, []).append(model.stack.name_of(index, bias))
    return _by_switch(lacking), _by_switch(surplus)


def _by_switch(odd: Mapping[str | None, list[str]]) -> list[OddBiases]:
    return [OddBiases(tuple(names), switch) for switch, names in odd.items()]


def _wanted(
    table: Mapping[str, str], config: Mapping[str, Any]
) -> Iterator[tuple[str, tuple[bool | None, str | None]]]:
    """Module -> whether its matrix should have a bias, None where nobody can tell, and the switch that says so."""
    for when, modules in table.items():
        key, _, default = when.partition("=")
        if not default:
            said = True if when == "always" else None
        elif isinstance(config.get(key), bool):
            said = config[key]
        else:
            said = json.loads(default)
            said = None if _is_said(not said, config) else said
        for module in modules.split():
            yield module, (said, key if default else None)


def _is_said(answer: bool, config: Mapping[str, Any]) -> bool:
    """Whether some key about biases gives this answer: types have further names for one switch (InternLM3)."""
    return any("bias" in key and value is answer for key, value in config.items())
