"""How many windows an interval needs."""

MIN_WINDOWS = 6
"""Below, no interval and no bias correction: of 4 windows none, of 5 one has an influence."""
RELIABLE_WINDOWS = 8
"""Below, two or three influences make an interval: shown, and marked unreliable."""
