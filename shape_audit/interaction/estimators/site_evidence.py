"""What a pass asks of the sums that it holds for a site, and what the numbers of a site are worked out from.

`SiteSums` is both: it holds G itself. Where G is too large for that, what is held (`InputGradients`) and what energies
are made of (`InputGrams`) are two things.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from shape_audit.interaction.estimators.window_rows import RepeatedWindows, Rows
from shape_audit.parallel import SingleProcess


class SiteEvidence(Protocol):
    """Of all windows at a site."""

    @property
    def width(self) -> int:
        """d, the channels of G."""

    @property
    def dtype(self) -> torch.dtype:
        """Of the products that energies are made of."""

    @property
    def pair_products(self) -> Tensor | float:
        """The sum of <A_s, A_r> over all pairs of different windows."""

    @property
    def squared_norm(self) -> float:
        """||sum_s A_s||_F^2."""

    def rows(self) -> Rows:
        """Of all windows, in the audit's order."""

    def distinct(self, repeated: RepeatedWindows | None) -> tuple[Rows, float]:
        """Rows and products of pairs, equal windows taken as one; None where there are none."""

    def eigenvalues(self, count: int) -> list[float]:
        """The `count` largest of G, in descending order."""


class HeldSums(Protocol):
    """Of one process, over the windows that it has seen."""

    @property
    def width(self) -> int:
        """Channels of one position; `MeasurementProtocol.widths` has the same."""

    @property
    def kept(self) -> Sequence[object]:
        """One piece for every time that windows were added."""

    @property
    def index_K(self) -> Tensor:
        """The numbers of the windows that are in, in order."""

    @property
    def latest(self) -> Tensor:
        """A sum over the windows that were added last, a scalar: finite if they are."""

    def add(self, grad_BTD: Tensor, first: int) -> None:
        """Add the windows `first`, `first` + 1 ... of a micro-batch, all of them or none."""

    def freeze(self, summed: Callable[[Tensor], Tensor]) -> None:
        """From now on, windows are compared with those added so far."""

    def over(self, processes: SingleProcess) -> SiteEvidence:
        """The windows of all processes, on each of them."""

    def tensors(self) -> dict[str, Tensor]:
        """All that is held, to be saved."""

    def restore(self, saved: Any) -> None:
        """Take what was saved of sums of the same kind; these are still empty."""

    def factor(self, grad_TD: Tensor) -> Tensor:
        """Rows y of which a window's A_s is the sum of y^T y."""
