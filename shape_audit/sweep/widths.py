"""The width that fits a parameter budget at a depth, for models far smaller than those `suggest` is about.

Widths are multiples of 8 up to 128, of 16 up to 256, of 32 up to 512, then of 64: at 40, a step of 64 would multiply
the parameters by six. A head has a multiple of 8 channels, as attention kernels want it, as near to 32 as the width
allows (64 from a width of 256 on), and 16 or more: 24 x 6 of 144, 32 x 2 of 64. Heads of 8, which divide every width,
were tried: a training step of 3 layers of width 88 took three times as long with 11 heads of 8 as with 2 of 44, one of
16 layers of width 40 1.8 times as long with 5 of 8 as with 2 of 20 (one CPU thread). Widths without such a divisor (40,
56, 88, 104) have one head over all channels; a width of several heads is taken before them where it hits the budget
within 1 %, for shapes are to differ in depth and width alone. Every head has keys and values of its own: sharing them
saves a cache that such models do not need. The feed-forward width is a multiple of 8, the family's usual one or up to a
quarter off it, which closes the gaps between widths.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from shape_audit.shape import Family, Sizes

STEPS = ((128, 8), (256, 16), (512, 32), (32_768, 64))
"""Up to which width, which step: between two widths the parameters grow by less than feed-forward widths can close."""
FEED_FORWARD_STEP = 8
HEAD_STEP = 8
HEAD_DIM, WIDE_HEAD_DIM = 32, 64
WIDE = 256
SMALLEST_HEAD = 16
CLOSE = 0.01
"""The miss up to which a width of several heads is taken before one of a single head."""
OFF_USUAL = 0.25
"""How far a feed-forward width may be off the usual one, as a fraction of it."""
OFF_USUAL_COST = 0.1
"""What being off the usual feed-forward width counts, beside being off the budget by as much: loss follows the number
of parameters far more than how a block divides them."""


@dataclass(frozen=True)
class FittedShape:
    """A shape near a budget.

    Attributes:
        params: all of them, tied ones once.
        miss: (params - budget) / budget.
    """

    sizes: Sizes
    params: int
    miss: float


def fit_width(
    family: Family, *, budget: int, num_hidden_layers: int, vocab_size: int, max_position_embeddings: int
) -> FittedShape:
    """The shape of this depth that fits a budget best; how well, `miss` says.

    Args:
        budget: all parameters.
        max_position_embeddings: counts where a family learns its positions.
    """
    best: tuple[tuple[bool, float], FittedShape] | None = None
    for width in _widths():
        narrowest = math.inf
        for sizes in _candidates(family, budget, num_hidden_layers, width, vocab_size, max_position_embeddings):
            outside, block = family.linear_count(sizes)
            params = outside + num_hidden_layers * block
            narrowest = min(narrowest, params)
            miss = (params - budget) / budget
            is_second = sizes.num_attention_heads == 1 or abs(miss) > CLOSE
            off_usual = abs(math.log(sizes.intermediate_size / _usual(family, width)))
            cost = is_second, abs(miss) + OFF_USUAL_COST * off_usual
            if best is None or cost < best[0]:
                best = cost, FittedShape(sizes, params, miss)
        if narrowest > 2 * budget:
            break  # wider ones have more
    assert best is not None
    return best[1]


def _widths() -> Iterator[int]:
    width = 0
    for end, step in STEPS:
        while width < end:
            width += step
            yield width


def head_dim_of(width: int) -> int:
    """Channels of a head; the module's docstring has the rule."""
    wanted = WIDE_HEAD_DIM if width >= WIDE else HEAD_DIM
    fitting = [size for size in range(HEAD_STEP, width + 1, HEAD_STEP) if width % size == 0]
    several = [size for size in fitting if SMALLEST_HEAD <= size < width]
    return min(several or fitting[-1:], key=lambda size: abs(math.log(size / wanted)))


def _usual(family: Family, width: int) -> float:
    above, below = family.feed_forward_ratio
    return width * above / below


def _candidates(
    family: Family, budget: int, depth: int, width: int, vocab_size: int, positions: int
) -> Iterator[Sizes]:
    """The shapes of a width that may be best: the usual feed-forward width, and those that just hit the budget."""
    usual, step = _usual(family, width), FEED_FORWARD_STEP
    fewest = max(step, math.ceil((1 - OFF_USUAL) * usual / step) * step)
    most = max(fewest, math.floor((1 + OFF_USUAL) * usual / step) * step)

    def sizes(feed_forward: int) -> Sizes:
        head_dim = head_dim_of(width)
        return Sizes(
            num_hidden_layers=depth,
            hidden_size=width,
            intermediate_size=feed_forward,
            num_attention_heads=width // head_dim,
            num_key_value_heads=width // head_dim,
            head_dim=head_dim,
            vocab_size=vocab_size,
            max_position_embeddings=positions,
            tie_word_embeddings=family.ties(budget),
        )

    outside, block = family.linear_count(sizes(fewest))
    slope = family.linear_count(sizes(fewest + step))[1] - block
    hit = fewest + step * max(0, (budget - outside - depth * block) // (depth * slope))
    tried = {round(usual / step) * step, hit, hit + step}
    for feed_forward in sorted({min(max(one, fewest), most) for one in tried}):
        yield sizes(feed_forward)
