"""`input-simplex` the long way: the whole Jacobian with respect to one-hot inputs, and (T V) x (T V) matrices.

For tests and for readers; it shares no code with the fast path but the model and the random draws. Use a vocabulary of
16 or so.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from shape_audit.interaction.protocols.input_simplex import InputSimplex
from shape_audit.interaction.protocols.projected_output import logits_of_embeddings
from shape_audit.interaction.twins.profile_twin import ExactSite, exact_site


def input_jacobian(model: nn.Module, window: Sequence[int]) -> Tensor:
    """d (centred logits of the last position) / d (one-hot inputs), (V, T V), at a window's own inputs.

    Args:
        model: a causal LM, float64, whose embedding is a plain lookup.
        window: seq_len + 1 ids.
    """
    ids_1T = torch.tensor([list(window[:-1])])
    table_VD: Tensor = model.get_input_embeddings().weight.detach()  # type: ignore[operator]
    one_hot_TV = nn.functional.one_hot(ids_1T[0], len(table_VD)).to(table_VD)

    def centred(inputs_TV: Tensor) -> Tensor:
        logits_V = logits_of_embeddings(model, ids_1T, (inputs_TV @ table_VD).unsqueeze(0))[0, -1]
        return logits_V - logits_V.mean()

    jacobian = torch.autograd.functional.jacobian(centred, one_hot_TV)  # type: ignore[no-untyped-call]
    return torch.as_tensor(jacobian).flatten(1)


def exact_input(model: nn.Module, windows: Sequence[Sequence[int]], protocol: InputSimplex) -> ExactSite:
    """Measure `input-simplex` exactly, with the protocol's cotangents."""
    matrices = []
    for number, window in enumerate(windows):
        jacobian_VI = input_jacobian(model, window)
        y_I = protocol.cotangent(number, len(jacobian_VI)) @ jacobian_VI
        matrices.append(torch.outer(y_I, y_I))
    return exact_site(matrices, [1] * len(matrices))
