"""Interaction in the weights themselves: AOFE-ratio and mean cos^2 of M = W^T W, without a forward pass.

W has a row an output and a column a channel of the residual stream, so M is D x D like the AGOP, and the same
formulas hold (`statistics.Energies`). M is known exactly: there is no sample, hence no U-statistic and no interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor, nn

from shape_audit.errors import CorruptFileError, NotAuditableError
from shape_audit.hub import Checkpoint, weights_folder
from shape_audit.interaction.ansatz.reading_matrices import (
    EMBEDDING,
    UNEMBEDDING,
    ReadingMatrix,
    find_matrices,
)
from shape_audit.interaction.ansatz.seen_matrices import matrices_of
from shape_audit.interaction.estimators.statistics import Energies
from shape_audit.models import LoadedModel, read_config

ROWS_AT_A_TIME = 8192
"""Rows that are converted and multiplied at once: an embedding of 16-bit floats is never doubled in memory."""


@dataclass(frozen=True)
class WeightEnergies:
    """What one matrix says by itself.

    Attributes:
        name: `block.3.q`, `embedding`, `unembedding`.
        tensor: its name in the checkpoint; of a fused matrix, or a tied one, several have the same.
        shape: rows (outputs) and columns (residual channels).
        energies: of M; in weight units^4.
    """

    name: str
    tensor: str
    shape: tuple[int, int]
    energies: Energies


def weight_energies(checkpoint: Checkpoint, *, loaded: LoadedModel | None = None) -> list[WeightEnergies]:
    """Energies of W^T W of every matrix that reads the residual stream, the weights read one tensor at a time.

    Args:
        checkpoint: of a Hub model the weights are downloaded where needed.
        loaded: the same: it tells whether embedding and unembedding are one, the matrices of a type that no table knows
            are seen in it, and what is stored under names of another kind is taken from it. None does without.

    Raises:
        NotAuditableError: an architecture whose matrices are not known.
        CorruptFileError: the weights are not what their header says.
        huggingface_hub and httpx2 errors: see `errors.FOREIGN`.
    """
    folder = weights_folder(checkpoint)
    config = read_config(checkpoint, folder)
    names = [name.removesuffix(".weight") for name in checkpoint.tensors if name.endswith(".weight")]
    tied = bool(config.tie_word_embeddings) if loaded is None else loaded.is_tied
    try:
        matrices = find_matrices(config, names, tied=tied)
    except NotAuditableError:
        if loaded is None:
            raise
        matrices = as_stored(matrices_of(loaded.model), names, tied=tied)
    readers: dict[str, list[ReadingMatrix]] = {}
    for matrix in matrices:
        readers.setdefault(matrix.tensor, []).append(matrix)
    found: dict[str, WeightEnergies] = {}
    elsewhere = _in_memory(loaded.model, set(readers) - set(checkpoint.tensors)) if loaded else ()
    for tensor, stored in chain(_stored(checkpoint, folder, set(readers)), elsewhere):
        whole: WeightEnergies | None = None
        for matrix in readers[tensor]:
            if matrix.part is None and whole is not None:  # tied: the same matrix once more
                found[matrix.name] = WeightEnergies(matrix.name, tensor, whole.shape, whole.energies)
                continue
            weight_OD = rows_of(matrix, stored)
            shape = (weight_OD.shape[0], weight_OD.shape[1])
            whole = WeightEnergies(matrix.name, tensor, shape, gram_energies(gram(weight_OD)))
            found[matrix.name] = whole
    return [found[matrix.name] for matrix in matrices]


def as_stored(matrices: list[ReadingMatrix], names: Iterable[str], *, tied: bool) -> list[ReadingMatrix]:
    """The matrices of a loaded model under the names that a checkpoint has for them.

    The two differ in what comes first: a checkpoint of the model without its head calls transformer.h.0 only h.0.

    Args:
        names: of tensors, without `.weight`.
        tied: take the embedding for an unembedding that is not stored.

    Returns:
        One that is not there, or that more than one may be, under the name it has in the model.
    """
    available = set(names)
    stored: dict[str, str] = {}
    for matrix in matrices:
        endings = [matrix.module.split(".", begin)[-1] for begin in range(matrix.module.count(".") + 1)]
        found = [ending for ending in endings if ending in available][:1]
        found = found or [name for name in available if name.endswith(f".{matrix.module}")]
        if not found and tied and matrix.name == UNEMBEDDING:
            found = [stored[EMBEDDING]]
        stored[matrix.name] = found[0] if len(found) == 1 else matrix.module
    return [replace(matrix, module=stored[matrix.name]) for matrix in matrices]


def rows_of(matrix: ReadingMatrix, stored: Tensor) -> Tensor:
    """The matrix (outputs, channels) from what is stored; of a vector, a bias, the same entries.

    Raises:
        NotAuditableError: it is no matrix, or cannot be divided as its layout says.
    """
    if stored.ndim not in (1, 2):
        raise NotAuditableError(f"{matrix.tensor} has {stored.ndim} dimensions: it is no matrix")
    weight_OD = stored.T if matrix.is_transposed and stored.ndim == 2 else stored
    if matrix.part is None:
        return weight_OD
    begin, end = matrix.part.span(weight_OD.shape[0])
    grouped = weight_OD.reshape(matrix.part.groups, -1, *weight_OD.shape[1:])
    return grouped[:, begin:end].flatten(0, 1)


def gram(weight_OD: Tensor) -> Tensor:
    """M = W^T W (D, D) in float64: products in float32 (float64 for float64 weights), their sums in float64."""
    device = torch.device("cpu") if weight_OD.device.type == "mps" else weight_OD.device  # mps has no float64
    product_dtype = torch.float64 if weight_OD.dtype == torch.float64 else torch.float32
    gram_DD = torch.zeros(weight_OD.shape[1], weight_OD.shape[1], dtype=torch.float64, device=device)
    for begin in range(0, len(weight_OD), ROWS_AT_A_TIME):
        rows_RD = weight_OD[begin : begin + ROWS_AT_A_TIME].to(device, product_dtype)
        gram_DD += rows_RD.T @ rows_RD
    return gram_DD


def gram_energies(gram_DD: Tensor) -> Energies:
    """||M||_F^2, sum_i M_ii^2 and tr(M)^2."""
    diagonal_D = gram_DD.diagonal()
    return Energies(
        total=float(gram_DD.square().sum()),
        diagonal=float(diagonal_D.square().sum()),
        trace2=float(diagonal_D.sum()) ** 2,
        width=len(gram_DD),
    )


def _in_memory(model: nn.Module, tensors: set[str]) -> Iterator[tuple[str, Tensor]]:
    """Each of these parameters as it was loaded."""
    for tensor in sorted(tensors):
        yield tensor, model.get_parameter(tensor).detach()


def _stored(checkpoint: Checkpoint, folder: Path, tensors: set[str]) -> Iterator[tuple[str, Tensor]]:
    """Each of these tensors as it is stored, one in memory at a time."""
    from safetensors import SafetensorError, safe_open

    try:
        for file in checkpoint.weight_files:
            with safe_open(folder / file, framework="pt") as weights:
                for tensor in sorted(tensors & set(weights.keys())):
                    yield tensor, weights.get_tensor(tensor)
    except SafetensorError as error:
        raise CorruptFileError(f"{checkpoint.repo_id}: damaged weights: {error}") from error
