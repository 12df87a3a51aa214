"""The part of an audit that looks at token vectors: of the weight files, or of a model in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shape_audit.auditing.subject import Subject
from shape_audit.embeddings import ArrayMatrix, crowding, superposition
from shape_audit.records import MatrixSuperposition, Superposition

if TYPE_CHECKING:
    from shape_audit.models import LoadedModel


def token_crowding(subject: Subject, loaded: LoadedModel) -> Superposition:
    """How crowded the directions of a model's tokens are.

    Raises:
        CorruptFileError: a weight file cannot be read.
    """
    if subject.checkpoint is not None:
        return superposition(subject.checkpoint, tied=loaded.is_tied)
    model: Any = loaded.model
    unembedding = None if loaded.is_tied else model.get_output_embeddings()
    return Superposition(embedding=_of(model, model.get_input_embeddings()), unembedding=_of(model, unembedding))


def _of(model: Any, module: Any) -> MatrixSuperposition | None:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    weight = getattr(module, "weight", None)
    if weight is None or weight.ndim != 2 or not weight.is_floating_point():
        return None
    return crowding(ArrayMatrix(weight.detach().float().cpu().numpy()), names.get(id(weight), ""))
