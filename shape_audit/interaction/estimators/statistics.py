"""Energies and ratios of the AGOP, from the sums of a site.

With G the AGOP, N = ||G||_F^2, D = sum_i G_ii^2:

    AOFE = N - D                      AOFE-ratio = AOFE / N
    aofe_normalized = AOFE / tr(G)^2  mean cos^2 = AOFE / (tr(G)^2 - D)  effective rank PR = tr(G)^2 / N

(Law of Neural Interaction, arXiv 2605.27989; `shape_scan/transformer_shape_scan.py` of the authors' code has the
plug-in values at the embedding.)

Interaction against chance. In a random orthonormal basis of d channels E sum_i G_ii^2 = (tr(G)^2 + 2 N) / (d + 2), by
the fourth moments of a random direction, so that the AOFE-ratio of a G is on average

    R0 = 1 - (PR + 2) / (d + 2)

and what the channels themselves add is excess = AOFE-ratio - R0, or channel alignment = - excess / R0: 0 where they are
as any basis would be, 1 where every channel acts alone, below 0 where they mix more than chance. `twins.rotation_twin`
takes the average the long way.

Since E||G_hat||^2 = ||G||^2 + noise / n, plug-in values depend on sample size and
width; the U-statistics use products of different windows only and are unbiased:

    total_U    = sum over s != r of <A_s, A_r>              / ( n^2 - sum T^2 )
    diagonal_U = sum over s != r of sum_i A_s,ii A_r,ii     / ( n^2 - sum T^2 )
    trace2_U   = sum over s != r of tr A_s tr A_r           / ( n^2 - sum T^2 )

AOFE is linear in (total, diagonal, trace2), all else a quotient of two such forms: `quotients`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from shape_audit.interaction.estimators.site_evidence import SiteEvidence
from shape_audit.interaction.estimators.window_rows import RepeatedWindows, Rows, pair_products

Form = tuple[int, int, int]
"""Coefficients of (total, diagonal, trace2)."""

AOFE: Form = (1, -1, 0)


@dataclass(frozen=True)
class Quotient:
    """constant + numerator / denominator: the constant is known, and neither biased nor rounded."""

    numerator: Form
    denominator: Form
    constant: float = 0.0


@cache
def quotients(width: int) -> Mapping[str, Quotient]:
    """Every ratio of an AGOP of `width` channels, by name."""
    return {
        "aofe_ratio": Quotient(AOFE, (1, 0, 0)),
        "aofe_normalized": Quotient(AOFE, (0, 0, 1)),
        "mean_cos2": Quotient(AOFE, (0, -1, 1)),
        "effective_rank": Quotient((0, 0, 1), (1, 0, 0)),
        "aofe_ratio_random_basis": Quotient((0, 0, -1), (width + 2, 0, 0), width / (width + 2)),
        "aofe_ratio_excess": Quotient((0, -width - 2, 1), (width + 2, 0, 0), 2 / (width + 2)),
        "channel_alignment": Quotient((-2, width + 2, -1), (width, 0, -1)),
    }


QUOTIENTS = tuple(quotients(1))


@dataclass(frozen=True)
class Energies:
    """The three energies of an AGOP estimate, in nats^4 per activation unit^4.

    Attributes:
        total: ||G||_F^2.
        diagonal: sum_i G_ii^2.
        trace2: tr(G)^2.
        width: d.
    """

    total: float
    diagonal: float
    trace2: float
    width: int

    def of(self, form: Form) -> float:
        """The value of a linear form of the three."""
        return form[0] * self.total + form[1] * self.diagonal + form[2] * self.trace2

    @property
    def aofe(self) -> float:
        return self.of(AOFE)

    def quotient(self, name: str) -> float | None:
        """One of `QUOTIENTS`; None where there is nothing to divide by: no gradient at all, or a single channel."""
        quotient = quotients(self.width)[name]
        denominator = self.of(quotient.denominator)
        return quotient.constant + self.of(quotient.numerator) / denominator if denominator != 0 else None

    @property
    def aofe_ratio(self) -> float | None:
        return self.quotient("aofe_ratio")

    @property
    def aofe_normalized(self) -> float | None:
        return self.quotient("aofe_normalized")

    @property
    def mean_cos2(self) -> float | None:
        return self.quotient("mean_cos2")

    @property
    def effective_rank(self) -> float | None:
        return self.quotient("effective_rank")


def plugin_energies(sums: SiteEvidence) -> Energies:
    """Energies of G = (sum_s A_s) / n itself: biased upwards by the noise of the sample.

    Raises:
        ValueError: no window was added.
    """
    rows = sums.rows()
    if len(rows) == 0:
        raise ValueError("no windows: there is no AGOP")
    n = rows.tokens
    return Energies(
        total=sums.squared_norm / n**2,
        diagonal=rows.diagonal_squared_norm / n**2,
        trace2=float(rows.trace_K.sum()) ** 2 / n**2,
        width=sums.width,
    )


def u_energies(sums: SiteEvidence, repeated: RepeatedWindows | None = None) -> Energies | None:
    """Unbiased energies from products of different windows; None for fewer than two windows."""
    rows, products = sums.distinct(repeated)
    return unbiased(products, rows)


def pairs_of_tokens(rows: Rows) -> int:
    """How many pairs of tokens of two different windows there are, each way: what U-statistics are divided by."""
    return rows.tokens**2 - int(rows.tokens_K.square().sum())


def unbiased(products: float, rows: Rows) -> Energies | None:
    """As `u_energies`, from the sum of <A_s, A_r> over pairs of different windows, and the windows' rows."""
    if len(rows) < 2:
        return None
    pairs = pairs_of_tokens(rows)
    trace_K1 = rows.trace_K.unsqueeze(1)
    return Energies(
        total=2 * products / pairs,
        diagonal=2 * rows.diagonal_pair_products / pairs,
        trace2=2 * pair_products(trace_K1) / pairs,
        width=rows.width,
    )
