"""What a user may say about where weights live: a device map by name or file, and how much weights may take where."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from shape_audit.errors import UsageError

DeviceMap = str | Mapping[str, str]
"""One of `MAP_NAMES`, or module -> device."""

MAP_NAMES = ("auto", "balanced", "cpu", "disk")
"""auto and balanced: as Accelerate spreads them. cpu, disk: every decoder block there, and an embedding that is tied to
nothing; the rest where it computes."""

_DEVICE = re.compile(r"cpu|disk|cuda:\d{1,3}")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]i?b|b)?", re.IGNORECASE)
_UNITS = {"k": 1, "m": 2, "g": 3, "t": 4}


def parse_device_map(text: str) -> DeviceMap:
    """A name of `MAP_NAMES` as it is, or the content of a JSON file: an object module -> device.

    Devices are cpu, disk, cuda:N, or the number N alone.

    Raises:
        UsageError: neither a name nor a file, or a file that says something else.
    """
    if text in MAP_NAMES:
        return text
    file = Path(text)
    if not file.is_file():
        raise UsageError(f"--device-map must be one of {', '.join(MAP_NAMES)} or a JSON file, not {text}")
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"--device-map {text}: not a JSON file: {error}") from error
    if not isinstance(content, dict) or not content:
        raise UsageError(f"--device-map {text}: it must be an object, module -> device")
    return {module: _device(device, f"--device-map {text}: {module}") for module, device in content.items()}


def parse_max_memory(text: str) -> dict[str, int]:
    """Device -> bytes, from `cuda:0=20GiB,cpu=4GiB`.

    Raises:
        UsageError: no list of device=size.
    """
    limits: dict[str, int] = {}
    for part in text.split(","):
        name, equals, size = part.partition("=")
        match = _SIZE.fullmatch(size.strip())
        if not equals or match is None:
            raise UsageError(f"--max-memory: {part.strip()!r}: expected DEVICE=SIZE pairs, e.g. cuda:0=20GiB,cpu=4GiB")
        device = _device(name.strip(), "--max-memory")
        if device == "disk":
            raise UsageError("--max-memory: the disk takes what is left; give cpu or cuda:N")
        if device in limits:
            raise UsageError(f"--max-memory: {device} is there twice")
        unit = (match[2] or "b").lower()
        limits[device] = int(float(match[1]) * (1024 if "i" in unit else 1000) ** _UNITS.get(unit[0], 0))
    return limits


def _device(name: object, where: str) -> str:
    if isinstance(name, int) and not isinstance(name, bool):
        name = f"cuda:{name}"
    name = "cuda:0" if name == "cuda" else name
    if not isinstance(name, str) or not _DEVICE.fullmatch(name):
        raise UsageError(f"{where}: no such device: {name!r}; there are cpu, disk, cuda:0, cuda:1 ...")
    return name
