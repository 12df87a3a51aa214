"""Whether the output matrix is the embedding, and which of the two is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shape_audit.records import Ledger
from shape_audit.shape.config_facts import ConfigFacts
from shape_audit.shape.tensor_facts import TensorFacts

Stored = Literal["both", "embedding", "output", "neither"]


STORED_TWICE = "the tied output matrix is stored too; it is counted once"
UNTIED_WHEN_LOADED = (
    "config.json ties the output matrix to the embedding, but a different one is stored: transformers loads both, and "
    "they are counted apart"
)


@dataclass(frozen=True)
class Tying:
    """Embedding and output matrix.

    Attributes:
        is_tied: whether they are one matrix: as config or type say, else as what is stored shows.
        stored: which of the two.
        fault: the one that is missing though they are two, in words; None where nothing is.
        note: what a reader of the counts should know.
        output_matrix: numbers in the stored output matrix.
    """

    is_tied: bool
    stored: Stored
    fault: str | None = None
    note: str | None = None
    output_matrix: int = 0

    def counted_once(self, ledger: Ledger) -> Ledger:
        """The ledger with a tied matrix under `embedding`, once, whichever of its two names it has."""
        if not self.is_tied or self.stored in ("embedding", "neither"):
            return ledger
        as_embedding = ledger.embedding if self.stored == "both" else ledger.embedding + self.output_matrix
        return ledger.model_copy(
            update={"embedding": as_embedding, "unembedding": ledger.unembedding - self.output_matrix}
        )


def tying(config: ConfigFacts, tensors: TensorFacts) -> Tying:
    """Read both from a config and the tensors."""
    stored: Stored = "neither"
    if tensors.vocab_size is not None:
        stored = "both" if tensors.output_matrix else "embedding"
    elif tensors.output_matrix:
        stored = "output"
    promised, matrix = config.tie_word_embeddings, tensors.output_matrix
    if promised is None:
        promised = stored not in ("both", "neither")
    if promised:
        note = STORED_TWICE if stored == "both" else None
        return Tying(True, stored, note=note, output_matrix=matrix)
    if stored in ("both", "neither") or config.is_causal_lm is False:
        return Tying(False, stored, output_matrix=matrix)
    missing = "output matrix" if stored == "embedding" else "token embedding"
    says = "by its type's default" if "tie_word_embeddings" in config.defaults else "in config.json"
    fault = f"embedding and output matrix are untied ({says}), but no {missing} is stored"
    return Tying(False, stored, fault=fault, note=f"{fault}; the counts lack it", output_matrix=matrix)
