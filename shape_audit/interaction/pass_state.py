"""What a pass has found so far, as named tensors: enough to go on after the process was killed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from shape_audit.interaction.estimators.block_rows import AMOUNTS, BlockRows
from shape_audit.interaction.estimators.input_gradients import KeptGradients
from shape_audit.interaction.estimators.sums import ROWS, SiteSums
from shape_audit.interaction.estimators.upper_triangle import packed_size
from shape_audit.interaction.estimators.window_rows import WindowRows
from shape_audit.interaction.stream.sites import Site
from shape_audit.interaction.width import WidthSums

SavedSums = SiteSums | KeptGradients
_COUNTS = ("index", "tokens", "reference_tokens")
_BLOCKS = ("index", "tokens", "sums")
_USE = "/use/"


@dataclass(frozen=True)
class PassState:
    """What one process has found after a whole number of rounds: sums over its own windows.

    Attributes:
        windows: how many windows are in, over all processes.
        frozen_at: how many were in when S_ref was last frozen.
        blocks: of each of its windows; None where the protocol has no backward pass.
        widths: of each site, where the use of the width is measured.
        losses_K: of each of its windows in nats, summed over its tokens, in the audit's order.
    """

    windows: int
    frozen_at: int
    losses_K: Tensor
    sums: Mapping[Site, SavedSums]
    blocks: BlockRows | None = None
    widths: dict[Site, WidthSums] = field(default_factory=dict)

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by name, on the CPU."""
        named = {"losses": self.losses_K}
        for site, sums in self.sums.items():
            named |= {f"{site.name}/{name}": tensor for name, tensor in sums.tensors().items()}
        if self.blocks is not None:
            named |= {f"blocks/{name}": column for name, column in zip(_BLOCKS, self.blocks.tensors(), strict=True)}
        for site, of_site in self.widths.items():
            named |= {f"{site.name}{_USE}{name}": tensor for name, tensor in of_site.tensors().items()}
        return {name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}

    def numbers(self) -> dict[str, int]:
        """What is no tensor."""
        tokens = max((sums.reference_tokens for sums in self.sums.values() if isinstance(sums, SiteSums)), default=0)
        return {"windows": self.windows, "frozen_at": self.frozen_at, "reference_tokens": tokens}

    @classmethod
    def restored(cls, tensors: dict[str, Tensor], numbers: dict[str, int], widths: Mapping[Site, int]) -> PassState:
        """The state that `tensors` and `numbers` were made from.

        Tensors are copied. Those of a file lie wherever its header ends, and a matrix-vector product rounds another way
        where its operand does not begin at a multiple of 64 bytes, as every tensor that torch makes does.

        Args:
            widths: of each site, in channels.

        Raises:
            KeyError: one of them is missing.
            ValueError: one of them has not the shape or the dtype that so many windows give.
        """
        own = len(tensors["losses"])
        if own > numbers["windows"]:
            raise ValueError(f"{own} windows of {numbers['windows']}")
        for name, (shape, dtype) in _expected(tensors, own, widths).items():
            if tuple(tensors[name].shape) != shape or tensors[name].dtype != dtype:
                raise ValueError(f"{name} is {tensors[name].dtype} {list(tensors[name].shape)}")
        tensors = {name: tensor.clone() for name, tensor in tensors.items()}
        sums = {site: _saved_sums(_after(f"{site.name}/", tensors), width, numbers) for site, width in widths.items()}
        has_blocks = any(site.position >= 0 for site in widths)
        blocks = BlockRows(*(tensors[f"blocks/{name}"] for name in _BLOCKS)) if has_blocks else None
        saved_use = {site: _after(f"{site.name}{_USE}", tensors) for site in widths}
        of_widths = {site: WidthSums.of_tensors(saved) for site, saved in saved_use.items() if saved}
        return cls(numbers["windows"], numbers["frozen_at"], tensors["losses"], sums, blocks, of_widths)


def _after(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _saved_sums(tensors: Mapping[str, Tensor], width: int, numbers: Mapping[str, int]) -> SavedSums:
    if "gradients" in tensors:
        return KeptGradients([(tensors["index"], tensors["gradients"])])
    return SiteSums(
        width=width,
        dtype=torch.float64,  # of windows to come, of which there are none here
        upper_P=tensors["sum"],
        pair_products=tensors["pair_products"],
        reference_P=tensors.get("reference"),
        reference_tokens=numbers["reference_tokens"],
        kept=[WindowRows(*(tensors[name] for name in ROWS))],
    )


def _expected(
    there: Mapping[str, Tensor], windows: int, widths: Mapping[Site, int]
) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Shape and dtype of every tensor of a state of so many windows of one process."""
    expected: dict[str, tuple[tuple[int, ...], torch.dtype]] = {"losses": ((windows,), torch.float64)}
    for site, width in widths.items():
        if f"{site.name}/gradients" in there:
            gradients = there[f"{site.name}/gradients"]
            expected[f"{site.name}/index"] = ((windows,), torch.long)
            expected[f"{site.name}/gradients"] = ((windows, *gradients.shape[1:3]), gradients.dtype)
            continue
        for row in ROWS:
            shape = (windows, width) if row == "diagonal" else (windows,)
            expected[f"{site.name}/{row}"] = (shape, torch.long if row in _COUNTS else torch.float64)
        expected[f"{site.name}/sum"] = ((packed_size(width),), torch.float64)
        expected[f"{site.name}/pair_products"] = ((), torch.float64)
        if f"{site.name}/reference" in there:
            expected[f"{site.name}/reference"] = ((packed_size(width),), torch.float64)
    for site, width in widths.items():
        if _after(f"{site.name}{_USE}", there):
            shapes = WidthSums.shapes(width)
            expected |= {f"{site.name}{_USE}{name}": (shape, torch.float64) for name, shape in shapes.items()}
    if any(site.position >= 0 for site in widths):
        blocks = there["blocks/sums"].shape[1:2]
        expected |= {"blocks/index": ((windows,), torch.long), "blocks/tokens": ((windows,), torch.long)}
        expected["blocks/sums"] = ((windows, *blocks, 2, AMOUNTS), torch.float64)
    return expected
