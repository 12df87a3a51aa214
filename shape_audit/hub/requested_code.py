"""What a config.json asks to have fetched and run besides the architecture: attention, experts and layers of others.

transformers takes these keys from any depth of a config, as a name or as a table of names for the parts of a model. A
name with a slash is a repository whose code it downloads and runs; some without one (`flash_attention_2`, `sonicmoe`)
stand for such a repository where the package is not installed. So only what torch itself brings is let through.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

ATTENTION = frozenset({"eager", "sdpa"})
EXPERTS = frozenset({"eager", "grouped_mm", "batched_mm"})
OF_TORCH: Mapping[str, frozenset[str]] = {
    "attn_implementation": ATTENTION,
    "_attn_implementation": ATTENTION,
    "_attn_implementation_internal": ATTENTION,
    "experts_implementation": EXPERTS,
    "_experts_implementation": EXPERTS,
    "_experts_implementation_internal": EXPERTS,
    "use_kernels": frozenset(),
    "kernel_config": frozenset(),
    "fusion_config": frozenset(),
}
"""Key of a config -> the values of it that need no code but torch's and transformers' own."""


def requested_code(config: Mapping[str, Any]) -> dict[str, str]:
    """Where in a config (`text_config.attn_implementation`) -> what it asks for, of all that is not torch's own."""
    return {place: str(value)[:80] for place, value in _requests(config, "")}


def names_repository(config: Mapping[str, Any]) -> str | None:
    """The first place of a config that names a repository whose code is to be run; None where there is none."""
    return next((place for place, value in _requests(config, "") if "/" in str(value)), None)


def without_requested_code(config: Any) -> Any:
    """The same config without those keys."""
    if isinstance(config, Mapping):
        return {key: without_requested_code(value) for key, value in config.items() if not _is_foreign(key, value)}
    return [without_requested_code(part) for part in config] if isinstance(config, list) else config


def code_notes(config: Mapping[str, Any]) -> tuple[str, ...]:
    """What a reader of a model's record should know of it."""
    return tuple(
        f"config.json asks for {value} ({place}), which is not run: it is loaded as if that were absent"
        for place, value in requested_code(config).items()
    )


def _requests(part: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(part, list):
        for number, value in enumerate(part):
            yield from _requests(value, f"{place}{number}.")
    if isinstance(part, Mapping):
        for key, value in part.items():
            if _is_foreign(key, value):
                yield f"{place}{key}", value
            else:
                yield from _requests(value, f"{place}{key}.")


def _is_foreign(key: str, value: Any) -> bool:
    """Whether a value, or one in a table of values, is not torch's own."""
    if key not in OF_TORCH or value is None or value is False:
        return False
    values = list(value.values()) if isinstance(value, Mapping) else [value]
    return not all((isinstance(one, str) and one in OF_TORCH[key]) or one is None for one in values)
