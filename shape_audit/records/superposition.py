"""How crowded the directions of a model's tokens are."""

from __future__ import annotations

from shape_audit.records.frozen import Frozen


class MatrixSuperposition(Frozen):
    """Cosines between the rows of an embedding or unembedding matrix; see `embeddings.pairwise_cosines`."""

    tensor: str
    """Its name in the checkpoint."""
    rows: int
    """Rows that are not zero, each a token's vector."""
    zero_rows: int
    width: int
    mean_cosine: float
    """Over all pairs of different rows."""
    cosine_sd: float
    """Standard deviation over the same pairs."""
    epsilon: float
    """Mean plus two standard deviations."""
    mean_cosine2_times_width: float
    """Mean squared cosine times the width: 1 for directions drawn at random."""
    capacity: float | None
    """Directions that fit within epsilon; null where epsilon is .1 or more, and the question has no answer."""
    wtw_aofe_ratio: float
    """AOFE-ratio of W^T W, rows not normalised."""
    wtw_aofe_ratio_random_basis: float
    """What that ratio would be on average in a random basis."""


class Superposition(Frozen):
    """Of the two matrices that hold a vector for each token."""

    embedding: MatrixSuperposition | None
    """Null where its numbers are quantised, or not stored."""
    unembedding: MatrixSuperposition | None
    """Null where it is the embedding, or as above."""
