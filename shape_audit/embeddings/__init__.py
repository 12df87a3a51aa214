"""Embedding matrices of a checkpoint -> how crowded their directions are; numpy, no torch.

superposition(checkpoint)              -> Superposition: embedding and unembedding, read from the weight files
crowding(matrix)                       -> Crowding: mean cosine, epsilon, capacity of the rows of one matrix
StoredMatrix, ArrayMatrix              a matrix read in blocks of rows: from a file, or in memory
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shape_audit.lazy import lazy_names

if TYPE_CHECKING:
    from shape_audit.embeddings.matrices import ArrayMatrix, StoredMatrix
    from shape_audit.embeddings.of_checkpoint import superposition
    from shape_audit.embeddings.pairwise_cosines import capacity, crowding

__all__ = ["ArrayMatrix", "StoredMatrix", "capacity", "crowding", "superposition"]

__getattr__ = lazy_names(
    __name__,
    {
        "matrices": "ArrayMatrix StoredMatrix",
        "of_checkpoint": "superposition",
        "pairwise_cosines": "capacity crowding",
    },
)
