"""What findings are about, in words that rules share: two about the same may be cause and consequence.

Files and tensors go by their names; the rest as below.
"""

from __future__ import annotations

from shape_audit.shape import role_of

EMBEDDING, OUTPUT_MATRIX = "the embedding", "the output matrix"
SPECIAL_TOKENS = "ids of special tokens"
BUILDING = "what transformers builds from config.json"
STORED_SIZES = "how large the tensors are, all together"
LOST_FILES = "what stands in weight files that are absent or damaged"
_BY_ROLE = {"embedding": EMBEDDING, "unembedding": OUTPUT_MATRIX}


def key_of(file: str, key: str) -> str:
    """A key of a JSON file, or another place in a file."""
    return f"{file}:{key}"


def tensor(name: str) -> str:
    """A tensor; the embedding and the output matrix as such, for they have many names."""
    return _BY_ROLE.get(role_of(name), name)


def size(number: int) -> str:
    """Matrices of which one side is wrong, by the size it should have."""
    return f"matrices of size {number}"
