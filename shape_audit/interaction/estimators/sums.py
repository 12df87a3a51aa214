"""The sums over windows that every number of a site is made from.

Legend: B windows of a micro-batch, K windows in all, T tokens, D width, P packed entries. With g_t the gradient at
token t of window s, A_s = sum_t g_t g_t^T is that window's contribution; G = (sum_s A_s) / n with n tokens is the AGOP.

Unbiased estimates are made of products <A_s, A_r> of different windows. Their sum is a small difference of large ones,
||sum A_s||^2 - sum ||A_s||^2, where one window outweighs the others; so each window is multiplied with the sum of those
before it, and nothing is subtracted. A_s is a product in float32 for a float32 model, of gradients scaled by a power of
two of each window (neither 1e-20 nor 1e+20 leaves its range); all sums are float64. `rounding` says what is left to
round. What was tried: the difference in float32, wrong in the first digit, and in float64, wrong where a window
outweighs the others by 1e10; A_s in float64, no better than this and slow on most GPUs.

Sums and rows merge (two sums of windows have one more product: of the two) and do not depend on batch size, order or
number of processes. Error bars need one thing more: S_ref, the sum of earlier windows, frozen from time to time
(`SiteSums.freeze`), with which every later window is compared. So they depend on the order of windows, and on nothing
else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from shape_audit.interaction.estimators.upper_triangle import (
    diagonal,
    inner_product,
    packed_size,
    tiles,
    unpacked,
)
from shape_audit.interaction.estimators.window_rows import RepeatedWindows, WindowRows
from shape_audit.parallel import SingleProcess

ENTRIES_AT_ONCE = 2**20
"""Of the A_s of several windows: so much as a processor's cache holds."""
WINDOWS_AT_ONCE = 8
"""All are multiplied with each other: more of them are more products than they are worth."""

ROWS = ("index", "tokens", "diagonal", "energy", "inner", "inner_diagonal", "inner_trace", "reference_tokens")
"""Names of what is kept of windows, where it is saved: the columns of `WindowRows`."""


@dataclass
class SiteSums:
    """Sums over the windows added so far, at one site.

    Attributes:
        width: D.
        dtype: of the product that A_s is; sums are float64.
        upper_P: sum_s A_s, see `upper_triangle`.
        pair_products: sum of <A_s, A_r> over all pairs of different windows, a scalar.
        reference_P: S_ref likewise; None until first frozen.
        reference_tokens: how many tokens are in S_ref.
        kept: what is kept of each window, in pieces, in the order of arrival.
    """

    width: int
    dtype: torch.dtype
    upper_P: Tensor
    pair_products: Tensor
    reference_P: Tensor | None = None
    reference_tokens: int = 0
    kept: list[WindowRows] = field(default_factory=list)

    @classmethod
    def zeros(cls, width: int, *, dtype: torch.dtype, device: torch.device) -> SiteSums:
        """Empty sums for a site of `width` channels; `dtype` as of the model, products are float32 or better."""
        product_dtype = torch.float64 if dtype == torch.float64 else torch.float32
        upper_P = torch.zeros(packed_size(width), dtype=torch.float64, device=device)
        return cls(width, product_dtype, upper_P, upper_P.new_zeros(()))

    @property
    def agop_DD(self) -> Tensor:
        """sum_s A_s, whole, float64."""
        return unpacked(self.upper_P, self.width)

    @property
    def squared_norm(self) -> float:
        """||sum_s A_s||_F^2."""
        return float(inner_product(self.upper_P, self.upper_P, self.width))

    def rows(self) -> WindowRows:
        """The rows of all windows, in the audit's order, on the CPU.

        Raises:
            ValueError: a window was added twice.
        """
        if not self.kept:
            none, counts = torch.zeros(0, dtype=torch.float64), torch.zeros(0, dtype=torch.long)
            return WindowRows(counts, counts, none.reshape(0, self.width), none, none, none, none, counts)
        columns = [torch.cat(column).cpu() for column in zip(*(rows.tensors() for rows in self.kept), strict=True)]
        order = columns[0].argsort(stable=True)
        if bool((columns[0][order].diff() == 0).any()):
            raise ValueError("a window was added twice")
        return WindowRows(*(column[order] for column in columns))

    @property
    def index_K(self) -> Tensor:
        """The numbers of the windows that are in, in the audit's order."""
        return self.rows().index_K

    @property
    def latest(self) -> Tensor:
        """A sum over the windows that were added last: finite if they are."""
        rows = self.kept[-1]
        return rows.energy_K.sum() + rows.inner_K.sum() + rows.diagonal_KD.sum()

    def distinct(self, repeated: RepeatedWindows | None) -> tuple[WindowRows, float]:
        """Rows and products of pairs, equal windows taken as one; None where there are none."""
        rows, pair_products = self.rows(), float(self.pair_products)
        if repeated is not None:
            rows = rows.of_distinct(repeated)
            pair_products = repeated.between_distinct(pair_products, rows)
        return rows, pair_products

    def eigenvalues(self, count: int) -> list[float]:
        """The `count` largest of the plug-in G, in descending order, in nats^2 per activation unit^2."""
        agop_DD = self.agop_DD.cpu() / self.rows().tokens
        eigenvalues: list[float] = torch.linalg.eigvalsh(agop_DD).flip(0)[:count].tolist()
        return eigenvalues

    def factor(self, grad_TD: Tensor) -> Tensor:
        """Rows y of which a window's A_s is the sum of y^T y: the gradients themselves."""
        return grad_TD

    def freeze(self, summed: Callable[[Tensor], Tensor] = lambda tensor: tensor) -> None:
        """From now on, windows are compared with the sum of all those added so far.

        Args:
            summed: the sum of a tensor over all processes that share the pass.
        """
        tokens = self.rows().tokens_K.sum().reshape(1).to(self.upper_P.device)
        self.reference_P = summed(self.upper_P).clone()
        self.reference_tokens = int(summed(tokens))

    def add(self, grad_BTD: Tensor, first: int) -> None:
        """Add the windows `first`, `first` + 1 ... of a micro-batch, each with its T gradients: all of them or none.

        Where memory ends, nothing has been added yet: what is large is allocated before the sum is changed.
        """
        scaled_BTD, factor_B = scaled(grad_BTD.to(self.upper_P.device, self.dtype))
        batch, tokens, width = scaled_BTD.shape
        largest = max(tile.size for tile in tiles(width))
        at_once = max(1, min(ENTRIES_AT_ONCE // largest, WINDOWS_AT_ONCE, batch))
        product, exact = scaled_BTD.new_empty(at_once * largest), self.upper_P.new_empty(at_once * largest)
        diagonal_BD = self.upper_P.new_empty(batch, width)
        energy_B, inner_B, before_B = self.upper_P.new_zeros(3, batch)
        for begin in range(0, batch, at_once):
            some = slice(begin, min(begin + at_once, batch))
            part_BTD, part_factor_B = scaled_BTD[some], factor_B[some]
            count = len(part_BTD)
            products_BB = self.upper_P.new_zeros(count, count)
            for tile in tiles(width):
                size = count * tile.size
                product_BRC = product[:size].view(count, *tile.shape)
                torch.bmm(part_BTD[:, :, tile.rows].mT, part_BTD[:, :, tile.columns], out=product_BRC)
                exact_BP = exact[:size].view(count, -1).copy_(product_BRC.view(count, -1))
                sum_P = self.upper_P[tile.packed]
                products_BB.addmm_(exact_BP, exact_BP.T, alpha=tile.weight)
                before_B[some].addmv_(exact_BP, sum_P, alpha=tile.weight)
                if self.reference_P is not None:
                    inner_B[some].addmv_(exact_BP, self.reference_P[tile.packed], alpha=tile.weight)
                if tile.is_on_diagonal:
                    diagonal_BD[some, tile.rows] = exact_BP.view_as(product_BRC).diagonal(dim1=1, dim2=2)
                sum_P.addmv_(exact_BP.T, part_factor_B)
            energy_B[some] = products_BB.diagonal()
            before_B[some] += products_BB.tril(-1) @ part_factor_B
        self.pair_products += before_B @ factor_B
        diagonal_BD *= factor_B.unsqueeze(1)
        self.kept.append(self._rows(first, tokens, diagonal_BD, energy_B * factor_B.square(), inner_B * factor_B))

    def _rows(self, first: int, tokens: int, diagonal_BD: Tensor, energy_B: Tensor, inner_B: Tensor) -> WindowRows:
        """What is kept of windows, from their diagonals, energies and products with S_ref."""
        reference_D = torch.zeros_like(diagonal_BD[0])
        if self.reference_P is not None:
            reference_D = diagonal(self.reference_P, self.width)
        index_B = torch.arange(first, first + len(diagonal_BD), device=diagonal_BD.device)
        return WindowRows(
            index_K=index_B,
            tokens_K=torch.full_like(index_B, tokens),
            diagonal_KD=diagonal_BD,
            energy_K=energy_B,
            inner_K=inner_B,
            inner_diagonal_K=diagonal_BD @ reference_D,
            inner_trace_K=diagonal_BD.sum(1) * reference_D.sum(),
            reference_tokens_K=torch.full_like(index_B, self.reference_tokens),
        )

    def over(self, processes: SingleProcess) -> SiteSums:
        """The sums of all processes as one, each process's windows multiplied with those of the ones before it."""
        if processes.size == 1:
            return self
        total_P, products = torch.zeros_like(self.upper_P), self.pair_products.clone()
        for rank in range(processes.size):
            own = rank == processes.rank
            of_rank_P = processes.summed(self.upper_P if own else torch.zeros_like(self.upper_P))
            if rank < processes.rank:
                products += inner_product(self.upper_P, of_rank_P, self.width)
            total_P += of_rank_P
        rows = [part for part in processes.gathered(self.rows()) if len(part)]
        return replace(
            self,
            upper_P=total_P,
            pair_products=processes.summed(products),
            kept=[part.to(total_P.device) for part in rows],
        )

    def tensors(self) -> dict[str, Tensor]:
        """All that is held, to be saved."""
        named = dict(zip(ROWS, self.rows().tensors(), strict=True))
        named |= {"sum": self.upper_P, "pair_products": self.pair_products}
        return named if self.reference_P is None else named | {"reference": self.reference_P}

    def restore(self, saved: SiteSums) -> None:
        """Take what was saved of such sums; these are still empty."""
        self.reference_tokens = saved.reference_tokens
        if saved.reference_P is not None:
            self.reference_P = saved.reference_P.to(self.upper_P.device)
        self.merge(saved)

    def merge(self, other: SiteSums) -> None:
        """Add the sums of other windows at the same site."""
        other_P = other.upper_P.to(self.upper_P.device)
        self.pair_products += other.pair_products.to(self.upper_P.device) + inner_product(
            self.upper_P, other_P, self.width
        )
        self.upper_P += other_P
        self.kept += [rows.to(self.upper_P.device) for rows in other.kept]


def scaled(grad_BTD: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of each window divided by a power of two, its largest below 1; and what that makes of g g^T (B,)."""
    largest_B = torch.maximum(grad_BTD.amax((1, 2)), -grad_BTD.amin((1, 2)))
    smallest_normal = torch.finfo(grad_BTD.dtype).tiny
    mantissa_B = torch.frexp(largest_B).mantissa
    inverse_B = torch.where(largest_B < 2 * smallest_normal, 0.25 / smallest_normal, mantissa_B / largest_B)
    return grad_BTD * inverse_B.view(-1, 1, 1), inverse_B.double().reciprocal().square()
