"""How every model of a sweep is trained: the constants, and why they are what they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

BYTES = 256
"""Tokens: a token is a byte."""
BETAS = (0.9, 0.95)
WEIGHT_DECAY = 0.1
"""Of matrices; norms and biases do not decay."""
CLIP_NORM = 1.0
WARMUP_SHARE = 0.05
"""Of the steps before a cosine, from zero up to the peak."""
WARMUP_TOKENS_PER_PARAM = 0.1
"""Of the warm-up before a trunk, which must not follow from a length: all lengths share it."""
DECAY_SHARE = 0.2
"""Of the steps of a length, from the peak down to zero, where it leaves the trunk."""
FINAL_SHARE = 0.1
"""Of the peak, where the cosine ends."""

PEAK, PEAK_WIDTH = 4e-3, 128


def learning_rate_of(width: int) -> float:
    """The peak learning rate of a width, the same for every depth and budget: 4e-3, above a width of 128 as 1 / width.

    Tried before it was settled, 150 steps of 32 x 256 bytes of the corpus of books, one seed, nats per validation byte
    (2.0e-3 / 4.0e-3 / 8.0e-3 / 1.6e-2):

        1 layer  x 144    2.227 / 2.222 / 2.241 / 2.290
        4 layers x  80    2.168 / 2.054 / 2.369 / 2.672
        16 layers x 40    2.572 / 2.373 / 2.548 / -

    So 4e-3 is best at all three, and a rate that grows as widths shrink (4e-3 * 64 / width, the first guess, after
    muP's 1 / width) would have been 6.4e-3 where 8e-3 already harms. At 1 layer x 288, 1.8e-3 ended at 2.078 and 4e-3
    at 2.119: there the rule holds. (Warm-up of 20 steps; up to 144, shapes of 1 and 4 layers had heads of 16 and
    feed-forward widths of 408 and 216.) Runs as short as these favour high rates: a sweep that is to compare shapes by
    less than a percent should try half of it too (`--learning-rate`).

    A trunk and its decay take the same peak. Tried over 147 steps of 8 x 128 bytes (2.0e-3 / 4.0e-3 / 8.0e-3):

        1 layer  x 144    2.343 / 2.361 / 2.572
        4 layers x  80    2.298 / 2.288 / 2.928
    """
    return PEAK * min(1.0, PEAK_WIDTH / width)


@dataclass(frozen=True)
class Schedule:
    """The learning rate over one training, as shares of its peak.

    Attributes:
        steps: of the whole training.
        warmup: steps of the linear warm-up.
        branch: the step at which the decay leaves the trunk, a constant rate; None where there is no trunk and half a
            cosine follows the warm-up.
    """

    steps: int
    warmup: int
    branch: int | None = None

    @classmethod
    def cosine(cls, steps: int) -> Schedule:
        """A warm-up, then half a cosine: made for one length, and of no use for another."""
        return cls(steps, warmup=max(1, round(steps * WARMUP_SHARE)))

    @classmethod
    def warmup_stable_decay(cls, steps: int, *, warmup: int) -> Schedule:
        """A warm-up, a constant rate, a short decay (WSD): up to `branch` the same for every length.

        Named by MiniCPM (arXiv 2404.06395). The decay is Hägele et al.'s (arXiv 2405.18392), who find that a fifth of
        the steps, going as one less the root of its progress, ends where a cosine of that length would.
        """
        return cls(steps, warmup, branch=steps - max(1, round(steps * DECAY_SHARE)))

    def rate(self, step: int) -> float:
        """Of a step, counted from 0."""
        rising = min(1.0, (step + 1) / self.warmup)
        if self.branch is not None:
            done = max(0.0, (step - self.branch) / (self.steps - self.branch))
            return rising * (1 - math.sqrt(done))
        progress = max(0.0, (step - self.warmup) / max(1, self.steps - self.warmup))
        return rising * (FINAL_SHARE + (1 - FINAL_SHARE) * 0.5 * (1 + math.cos(math.pi * progress)))
