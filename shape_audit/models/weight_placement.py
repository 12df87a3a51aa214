"""Where each weight of a model lives, settled before any is loaded: on the GPUs, in CPU memory, or on the disk.

What a device lacks is streamed: brought there module by module while it is used, forward and backward, by Accelerate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from shape_audit.errors import UsageError
from shape_audit.models.blocks import find_blocks
from shape_audit.models.device_map import DeviceMap

SHARE_FOR_WEIGHTS = 0.9
"""Of the memory there is, where Accelerate spreads weights and no limit is given."""


@dataclass(frozen=True)
class WeightPlacement:
    """Where weights live, and where they are computed with.

    Attributes:
        device_map: module, or single tensor of a module -> cpu, disk or cuda:N; no entry lies within another.
        main_device: where inputs and losses are, and everything whose home does not compute.
        blocks: names of the decoder blocks, in order.
        block_devices: where each of them is computed.
        weight_bytes: home -> bytes of its weights, tied ones once.
        streamed_bytes: device -> bytes of the largest block, or embedding, that comes there only to be computed with.
    """

    device_map: Mapping[str, str]
    main_device: str
    blocks: tuple[str, ...]
    block_devices: tuple[str, ...]
    weight_bytes: Mapping[str, int]
    streamed_bytes: Mapping[str, int]

    @property
    def is_streamed(self) -> bool:
        """Whether some weights are where nothing is computed."""
        return any(home != execution_device(home, self.main_device) for home in self.device_map.values())

    @property
    def needs_disk(self) -> bool:
        return "disk" in self.device_map.values()

    @property
    def description(self) -> str:
        """The memories in use, the disk first: `disk, cpu`."""
        order = {"disk": 0, "cpu": 1}
        return ", ".join(sorted(set(self.device_map.values()) | {self.main_device}, key=lambda d: (order.get(d, 2), d)))


@dataclass(frozen=True)
class DeviceRoom:
    """The memories that weights may be placed in.

    Attributes:
        device: where it computes, of cuda and cpu.
        available: device -> bytes that are free.
        limits: device -> bytes weights may take, as the user says; for auto and balanced.
        reserved: bytes the pass needs beside the weights where it computes.
    """

    device: torch.device
    available: Mapping[str, int]
    limits: Mapping[str, int]
    reserved: int = 0

    @property
    def main(self) -> str:
        return "cuda:0" if self.device.type == "cuda" else "cpu"

    @property
    def usable(self) -> set[str]:
        """Where something can be computed, and CPU memory."""
        return {self.main, "cpu", *(name for name in self.available if self.device.type == "cuda")}

    def for_weights(self) -> dict[str, int]:
        """Bytes that weights may take of each, where Accelerate spreads them."""
        free = {
            name: SHARE_FOR_WEIGHTS * self.available[name] - (self.reserved if name == self.main else 0)
            for name in sorted(self.usable)
        }
        return {name: max(0, int(size)) for name, size in free.items()} | dict(self.limits)


def execution_device(home: str, main_device: str) -> str:
    """Where weights with this home are computed with."""
    if home == "disk" or (home == "cpu" and main_device != "cpu"):
        return main_device
    return home


def place_weights(model: nn.Module, depth: int, requested: DeviceMap, room: DeviceRoom) -> WeightPlacement:
    """Settle where everything goes.

    Args:
        model: on the meta device, in the dtype of the pass, tied.
        depth: its number of blocks.
        requested: see `device_map`.

    Raises:
        UsageError: a map that does not fit the model or the machine.
        NotAuditableError: the architecture's blocks cannot be found.
    """
    blocks = find_blocks(model, depth)
    names = {module: name for name, module in model.named_modules()}
    block_names = tuple(names[block] for block in blocks)
    main, usable = room.main, room.usable
    for name in room.limits:
        if name not in usable:
            raise UsageError(f"--max-memory: nothing is computed on {name} here; there are {', '.join(sorted(usable))}")
    if isinstance(requested, Mapping):
        wanted = dict(requested)
        _check_names(model, wanted)
    elif requested in ("cpu", "disk"):
        wanted = {"": main, **dict.fromkeys([*block_names, *_embedding_alone(model)], requested)}
    else:
        wanted = _spread(model, room.for_weights())
    for home in sorted(set(wanted.values()) - {"disk"} - usable):
        raise UsageError(f"--device-map: nothing is computed on {home} here; there are {', '.join(sorted(usable))}")
    _check_tied(model, wanted)
    main = min((home for home in wanted.values() if home.startswith("cuda")), default="cpu")  # as Accelerate has it
    device_map = dict(_placed_modules(model, lambda name: _home(name, wanted) or main))
    return WeightPlacement(
        device_map=device_map,
        main_device=main,
        blocks=block_names,
        block_devices=tuple(
            execution_device(_home(next(iter(_tensor_names(name, block)), name), wanted) or main, main)
            for name, block in zip(block_names, blocks, strict=True)
        ),
        weight_bytes=_weight_bytes(model, wanted, main),
        streamed_bytes=_streamed_bytes(model, [*block_names, *_embedding_alone(model)], wanted, main),
    )


def _embedding_alone(model: nn.Module) -> list[str]:
    """The token embedding's name, where nothing is tied to it: it is wanted for a moment at the beginning."""
    embedding: nn.Module = model.get_input_embeddings()  # type: ignore[operator]
    ids = [id(parameter) for _, parameter in model.named_parameters(remove_duplicate=False)]
    if any(ids.count(id(parameter)) > 1 for parameter in embedding.parameters()):
        return []
    return [name for name, module in model.named_modules() if module is embedding]


def _home(name: str, wanted: Mapping[str, str]) -> str | None:
    """The home of a tensor or module: its own entry, or its nearest parent's."""
    while name not in wanted:
        if not name:
            return None
        name = name.rpartition(".")[0]
    return wanted[name]


def _tensor_names(prefix: str, module: nn.Module) -> list[str]:
    named = [*module.named_parameters(prefix, remove_duplicate=False), *module.named_buffers(prefix)]
    return [name for name, _ in named]


def _placed_modules(model: nn.Module, home_of: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """Modules, as large as can be, all tensors of which have one home; Accelerate takes no entry within another."""

    def walk(name: str, module: nn.Module) -> Iterator[tuple[str, str]]:
        found = {home_of(tensor) for tensor in _tensor_names(name, module)}
        if len(found) == 1:
            yield name, found.pop()
        elif found:
            own = [*module.named_parameters(name, recurse=False), *module.named_buffers(name, recurse=False)]
            for tensor, _ in own:
                yield tensor, home_of(tensor)
            for child_name, child in module.named_children():
                yield from walk(f"{name}.{child_name}" if name else child_name, child)

    return walk("", model)


def _spread(model: nn.Module, memory: Mapping[str, int]) -> dict[str, str]:
    """As Accelerate spreads it: GPUs evenly, then CPU memory, then the disk."""
    from accelerate import infer_auto_device_map
    from accelerate.utils import get_balanced_memory

    gpus = sorted((int(name.partition(":")[2]), size) for name, size in memory.items() if name != "cpu")
    keyed: dict[int | str, int] = {**dict(gpus), "cpu": memory["cpu"]}  # devices are filled in this order
    unsplit = sorted(getattr(model, "_no_split_modules", None) or ())
    balanced = get_balanced_memory(model, max_memory=keyed, no_split_module_classes=unsplit)
    found = infer_auto_device_map(model, max_memory=balanced, no_split_module_classes=unsplit)
    return {name: f"cuda:{home}" if isinstance(home, int) else str(home) for name, home in found.items()}


def _check_names(model: nn.Module, wanted: Mapping[str, str]) -> None:
    modules = {name for name, _ in model.named_modules()} | set(_tensor_names("", model))
    for name in wanted:
        if name not in modules:
            raise UsageError(f"--device-map: {type(model).__name__} has no module {name!r}")
    for name in model.state_dict():  # without the buffers that a model makes itself
        if _home(name, wanted) is None:
            raise UsageError(f"--device-map: it says no device for {name}")


def _check_tied(model: nn.Module, wanted: Mapping[str, str]) -> None:
    """Tied weights are one tensor and live in one place."""
    first: dict[Tensor, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        other = first.setdefault(parameter, name)
        if _home(name, wanted) != _home(other, wanted):
            raise UsageError(f"--device-map: {name} and {other} are tied, and must be on one device")


def _bytes(tensors: Iterator[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _weight_bytes(model: nn.Module, wanted: Mapping[str, str], main: str) -> dict[str, int]:
    """Buffers, which are small, count where they are computed with."""
    found: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        home = _home(name, wanted) or main
        found[home] = found.get(home, 0) + parameter.numel() * parameter.element_size()
    found[main] = found.get(main, 0) + _bytes(model.buffers())
    return found


def _streamed_bytes(model: nn.Module, modules: Sequence[str], wanted: Mapping[str, str], main: str) -> dict[str, int]:
    """Of modules that are brought in one at a time, the largest."""
    found: dict[str, int] = {}
    for module in modules:
        streamed: dict[str, int] = {}
        for name, parameter in model.get_submodule(module).named_parameters(module):
            home = _home(name, wanted) or main
            if execution_device(home, main) != home:
                device = execution_device(home, main)
                streamed[device] = streamed.get(device, 0) + parameter.numel() * parameter.element_size()
        for device, size in streamed.items():
            found[device] = max(found.get(device, 0), size)
    return found
