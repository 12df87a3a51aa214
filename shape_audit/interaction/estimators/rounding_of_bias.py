"""What rounding does to the bias correction of a quotient a / b, on top of what it does to the quotient.

The correction is - Cov(c, b) / b^2 with c = a - (a / b) b, from the spread of influences

    psi_s = 2 ( <A_s, S_ref> / n_ref - T total ) K / n.

A_s and S_ref are known to r relative to the geometric means of their diagonal entries (see `rounding`). Off the
diagonal, <A_s, S_ref> moves by at most 2 r sqrt(tr(A)^2 - sum A_ii^2) sqrt(tr(S)^2 - sum S_ii^2), which is no more than
2 r (tr(A) tr(S) - sum A_ii S_ii) (Aczel's inequality). A covariance of numbers that move by d and d' moves, by
Cauchy's, by at most

    rms(d) sd(psi') + sd(psi) rms(d') + rms(d) rms(d').
"""

from __future__ import annotations

import torch
from torch import Tensor

from shape_audit.interaction.estimators.energy_errors import EnergyErrors, lost_in_sums
from shape_audit.interaction.estimators.error_bars import ErrorBars
from shape_audit.interaction.estimators.statistics import Form, quotients
from shape_audit.interaction.estimators.window_rows import Rows


def bias_error(bars: ErrorBars, rows: Rows, name: str, *, relative: float, errors: EnergyErrors[float]) -> float | None:
    """Bound on the rounding error of a quotient's bias correction; None where rounding may be all of it.

    Args:
        rows: what the error bars were made from.
        relative: r, noise of the gradients in it.
        errors: of the energies.
    """
    raw, corrected, quotient = bars.energies.quotient(name), bars.corrected(name), quotients(bars.energies.width)[name]
    forms = quotient.numerator, quotient.denominator
    (a, b), (moved_a, moved_b) = map(bars.energies.of, forms), map(errors.of, forms)
    left = abs(b) - moved_b
    if raw is None or corrected is None or left <= 0:
        return None
    ratio = abs(a / b)
    moved_ratio = (moved_a + ratio * moved_b) / left
    # relative to b, one by one: of gradients of 1e-30, b^2 is no double
    psi_a_K, psi_b_K = (bars.influence_K3 @ torch.tensor(form, dtype=torch.float64) for form in forms)
    sd_b, sd_c = float(psi_b_K.std()) / left, float((psi_a_K - a / b * psi_b_K).std()) / left
    rms_a, rms_b = (_moved(rows, form, relative, errors) / left for form in forms)
    rms_c = rms_a + ratio * rms_b + moved_ratio * (sd_b + rms_b)
    moved = sd_c * rms_b + sd_b * rms_c + rms_b * rms_c
    return moved / bars.windows + abs(raw - corrected) * ((b / left) ** 2 - 1)


def _moved(rows: Rows, form: Form, relative: float, errors: EnergyErrors[float]) -> float:
    """How far influences on a linear form of the energies may have moved: the root mean square, as of a spread."""
    seen = rows.reference_tokens_K > 0
    r, reference_K = (2 + relative) * relative, rows.reference_tokens_K[seen].double()
    diagonal_K, trace2_K = (r * inner_K[seen] / reference_K for inner_K in (rows.inner_diagonal_K, rows.inner_trace_K))
    apart_K = trace2_K - diagonal_K + lost_in_sums(rows) * rows.inner_trace_K[seen] / reference_K
    of_product_K = EnergyErrors[Tensor](apart_K, diagonal_K, trace2_K, apart_K).of(form)
    moved_K = 2 * (of_product_K + rows.tokens_K[seen].double() * errors.of(form)) * len(rows) / rows.tokens
    return float(moved_K.square().sum().div(len(moved_K) - 1).sqrt())
