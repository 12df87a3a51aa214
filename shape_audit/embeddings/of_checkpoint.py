"""The embedding matrices of a checkpoint, read from its weight files."""

from __future__ import annotations

from pathlib import Path

from shape_audit.embeddings.matrices import STORED, StoredMatrix
from shape_audit.embeddings.pairwise_cosines import crowding
from shape_audit.errors import CorruptFileError, first_line
from shape_audit.hub import Checkpoint, tensor_offsets, weights_folder
from shape_audit.records import MatrixSuperposition, Superposition
from shape_audit.shape import read_config, token_matrices


def superposition(checkpoint: Checkpoint, *, tied: bool = False) -> Superposition:
    """How crowded the token vectors of a model are.

    Of a Hub model the weights are downloaded where needed.

    Args:
        tied: the two matrices are one, whichever is stored, or both.

    Raises:
        CorruptFileError: a weight file cannot be read.
        huggingface_hub and httpx2 errors: see `errors.FOREIGN`.
    """
    names = token_matrices(checkpoint.tensors, read_config(checkpoint.config))
    embedding = names.embedding or (names.unembedding if tied else None)
    folder = weights_folder(checkpoint)
    try:
        return Superposition(
            embedding=_of(checkpoint, folder, embedding),
            unembedding=None if tied else _of(checkpoint, folder, names.unembedding),
        )
    except (OSError, ValueError) as error:
        raise CorruptFileError(f"{checkpoint.repo_id}: damaged weights: {first_line(error)}") from error


def _of(checkpoint: Checkpoint, folder: Path, tensor: str | None) -> MatrixSuperposition | None:
    header = checkpoint.tensors.get(tensor) if tensor else None
    if tensor is None or header is None or header.dtype not in STORED:
        return None
    file = next(folder / file for file in checkpoint.weight_files if tensor in tensor_offsets(folder / file))
    return crowding(StoredMatrix(file, tensor, header), tensor)
