"""Whether a model is a dense decoder: every block attention and one feed-forward part, as the paper's claim has it."""

from __future__ import annotations

from shape_audit.shape.config_facts import ConfigFacts
from shape_audit.shape.tensor_facts import TensorFacts

BEYOND_CLAIM = "outside the paper's claim, which is about dense attention models; R_D/W is given without a verdict"
ROUTED = (
    "a router makes gradients piecewise: what is measured holds for the experts that each token was sent to, and says "
    "nothing about the choice"
)


def non_dense_reason(config: ConfigFacts | None, tensors: TensorFacts | None) -> str | None:
    """Why a model is not dense, or None where it is.

    The blocks that are stored decide. A config names experts and mixers that none of its blocks has (Granite 4.0
    Micro, Doge, DeepSeek with dense blocks alone); its word counts where there are no blocks to look at.
    """
    if tensors is None or not tensors.blocks:
        return config.non_dense_reason if config else None
    return tensors.non_dense_reason or (config.layer_types_reason if config else None)
