"""How many parameters a model has at least, by the sizes in its config."""

from __future__ import annotations

from shape_audit.shape import ConfigFacts

LEAST_SHARE, LEAST_SHARE_NOT_DENSE = 0.5, 0.05
"""Of these, a sound checkpoint stores more. Pruned models (Nemotron-NAS: 0.6 of the plain shape) do, and a dense model
without its feed-forward matrices keeps about a third. Where blocks have attention or a feed-forward part, not both
(Nemotron-H), the sizes tell less."""


def least_parameters(facts: ConfigFacts, blocks: int) -> int | None:
    """Embedding, attention and two feed-forward matrices of every block, as far as their sizes are known.

    Args:
        blocks: how many are stored, where they are (some are run several times); else as many as the config says.

    Returns:
        None where depth, width or vocabulary is not known.
    """
    if not (facts.num_hidden_layers and facts.hidden_size and facts.vocab_size):
        return None
    width, heads = facts.hidden_size, facts.num_attention_heads or 0
    head = facts.head_dim or (width // heads if heads else 0)
    attention = 2 * width * head * (heads + (facts.num_key_value_heads or heads))
    feed_forward = 2 * width * (facts.intermediate_size or 0)
    depth = min(blocks, facts.num_hidden_layers) or facts.num_hidden_layers
    return facts.vocab_size * width + depth * (attention + feed_forward)
