"""How every model of a sweep is trained: the constants, and why they are what they are."""

from __future__ import annotations

import math

BYTES = 256
"""Tokens: a token is a byte."""
BETAS = (0.9, 0.95)
WEIGHT_DECAY = 0.1
"""Of matrices; norms and biases do not decay."""
CLIP_NORM = 1.0
WARMUP_SHARE = 0.05
"""Of the steps, from zero up to the peak."""
FINAL_SHARE = 0.1
"""Of the peak, where the cosine ends."""

PEAK, PEAK_WIDTH = 4e-3, 64


def learning_rate_of(width: int) -> float:
    """The peak learning rate of a width, the same for every depth and budget."""
    return PEAK * PEAK_WIDTH / width


def learning_rate_at(step: int, steps: int, peak: float) -> float:
    """Of a step, counted from 0: a linear warm-up, then half a cosine."""
    warmup = max(1, round(steps * WARMUP_SHARE))
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return peak * (FINAL_SHARE + (1 - FINAL_SHARE) * 0.5 * (1 + math.cos(math.pi * progress)))
