"""The Neural Feature Ansatz: do weights interact as the gradients at their inputs do?

For a matrix W that reads the residual stream, M = W^T W, and G the AGOP of the total loss gradient at the tensor that
feeds W, the NFA correlation is the cosine between the off-diagonal parts of M and of G:

    sum_{i != j} M_ij G_ij / ( ||M_offdiag||_F ||G_offdiag||_F )

(Radhakrishnan et al., Science 2024, state the ansatz W^T W ~ AGOP; with the diagonals left out it is a statement about
interaction.) The numerator is linear in G and takes its plug-in mean, which is unbiased. ||G_offdiag|| is the root of
the U-statistic AOFE: the plug-in norm is inflated by noise, and the cosine would come out too small. The price is that
on little text it may exceed 1; that is shown as it is. Where AOFE_U <= 0 there is no cosine to give.

A random model is not at zero: gradients flow back through the same W. So the same architecture is re-initialised from
its config, with `SEEDS`, and measured on the same windows: what training has made is the difference.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from shape_audit.calibration import Window
from shape_audit.hub import quiet_transformers
from shape_audit.interaction.ansatz.reading_matrices import ReadingMatrix
from shape_audit.interaction.ansatz.seen_matrices import matrices_of
from shape_audit.interaction.ansatz.weight_gram import WeightEnergies, gram, rows_of
from shape_audit.interaction.ansatz.weight_inputs import WeightInputs
from shape_audit.interaction.estimators.statistics import u_energies
from shape_audit.interaction.estimators.sums import SiteSums
from shape_audit.interaction.estimators.window_rows import RepeatedWindows
from shape_audit.loader import model_of
from shape_audit.models import LoadedModel
from shape_audit.records import WeightInteraction

SEEDS = (0, 1, 2)
"""Of the re-initialised models."""

Correlations = dict[str, float | None]
"""Name of a matrix -> its NFA correlation, None where noise leaves nothing to divide by."""


def nfa_correlations(
    model: Any,
    windows: Sequence[Window],
    *,
    micro_batch: int,
    progress: Callable[[int], None] = lambda windows_done: None,
) -> Correlations:
    """The NFA correlation of every matrix that reads the residual stream.

    Args:
        model: a causal LM of transformers in eval mode, no weight requiring gradients.
        windows: at least two different ones, else there is no U-statistic and everything is None.
        progress: called with the number of windows done so far.

    Raises:
        NonFiniteError: a loss or gradient is not finite.
        NotAuditableError: an architecture whose matrices are not known, or that calls them in another way.
    """
    matrices = matrices_of(model)
    inputs = WeightInputs(model, matrices)
    inputs.add(windows, micro_batch=micro_batch, progress=progress)
    readers: dict[str, list[ReadingMatrix]] = {}
    for matrix in matrices:
        readers.setdefault(inputs.source[matrix.module], []).append(matrix)
    repeated = RepeatedWindows.of([window.input_ids for window in windows])
    found: Correlations = {}
    for source, of_source in readers.items():
        sums = inputs.sums.pop(source)
        agop_DD = sums.agop_DD / sums.rows().tokens
        for matrix in of_source:
            gram_DD = gram(rows_of(matrix, _weight(model, matrix)))
            found[matrix.name] = correlation(gram_DD, agop_DD, off_diagonal_norm(sums, repeated))
    return {matrix.name: found[matrix.name] for matrix in matrices}


def off_diagonal_norm(sums: SiteSums, repeated: RepeatedWindows) -> float | None:
    """||G_offdiag||_F by the U-statistic; None where noise makes its square zero or less, or there is one window."""
    energies = u_energies(sums, repeated)
    return math.sqrt(energies.aofe) if energies is not None and energies.aofe > 0 else None


def correlation(gram_DD: Tensor, agop_DD: Tensor, agop_norm: float | None) -> float | None:
    """The cosine between the off-diagonal parts of two matrices, the norm of the second's given.

    Args:
        gram_DD: W^T W, float64.
        agop_DD: the plug-in mean G, float64.
        agop_norm: ||G_offdiag||_F, see `off_diagonal_norm`.
    """
    off_diagonal_DD = gram_DD - gram_DD.diagonal().diag()
    norm = float(torch.linalg.matrix_norm(off_diagonal_DD))
    if agop_norm is None or norm == 0:
        return None
    return float((off_diagonal_DD * agop_DD.to(off_diagonal_DD.device)).sum()) / (norm * agop_norm)


def random_correlations(
    loaded: LoadedModel,
    windows: Sequence[Window],
    *,
    micro_batch: int,
    step: Callable[[str], None] = lambda text: None,
    progress: Callable[[int], None] = lambda windows_done: None,
) -> list[Correlations]:
    """As `nfa_correlations`, of the same architecture re-initialised, one after the other.

    Args:
        step: told which of them is next.
    """
    found = []
    for number, seed in enumerate(SEEDS, 1):
        step(f"comparing a re-initialised model, {number} of {len(SEEDS)}")
        model = reinitialised(loaded, seed)
        found.append(nfa_correlations(model, windows, micro_batch=micro_batch, progress=progress))
    return found


def reinitialised(loaded: LoadedModel, seed: int) -> nn.Module:
    """A fresh model of the same config, dtype, device and attention, ready to be measured.

    Random numbers drawn elsewhere are not touched. It takes as much memory as the model itself.
    """
    config: Any = copy.deepcopy(loaded.model.config)
    with torch.random.fork_rng(devices=[]), quiet_transformers():
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reach the accelerator's generators too
        model: nn.Module = model_of(config, dtype=loaded.dtype, attn_implementation=loaded.attn_implementation)
    return model.requires_grad_(False).eval().to(loaded.device)


def weight_interactions(
    energies: Sequence[WeightEnergies], trained: Mapping[str, float | None], random: Sequence[Correlations]
) -> list[WeightInteraction]:
    """What the record says about each matrix.

    Args:
        trained: its NFA correlations; empty where there are none.
        random: the same of the re-initialised models. One that is None makes their mean None: a mean of fewer seeds
            would be another quantity.
    """
    return [_weight_interaction(of_matrix, trained, random) for of_matrix in energies]


def _weight_interaction(
    of_matrix: WeightEnergies, trained: Mapping[str, float | None], random: Sequence[Correlations]
) -> WeightInteraction:
    seeds = [correlations.get(of_matrix.name) for correlations in random]
    known = [value for value in seeds if value is not None]
    is_complete = bool(known) and len(known) == len(seeds)
    return WeightInteraction(
        name=of_matrix.name,
        tensor=of_matrix.tensor,
        shape=of_matrix.shape,
        aofe_ratio=of_matrix.energies.aofe_ratio,
        mean_cos2=of_matrix.energies.mean_cos2,
        nfa_correlation=trained.get(of_matrix.name),
        nfa_correlation_random=sum(known) / len(known) if is_complete else None,
        nfa_correlation_random_range=(min(known), max(known)) if is_complete else None,
    )


def _weight(model: nn.Module, matrix: ReadingMatrix) -> Tensor:
    weight: Tensor = model.get_submodule(matrix.module).weight  # type: ignore[assignment]
    return weight.detach()
