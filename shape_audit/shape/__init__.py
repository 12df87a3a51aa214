"""Config and tensor headers -> shape, ledger, R_D/W; and where that stands against an interval.

describe(checkpoint)             -> ShapeReading: ModelShape, names, notes
shipped_interval(), read_interval(file)   -> Interval
place(r_dw, interval)            -> Placement
derive_interval(table)           -> IntervalDerivation
"""

from shape_audit.shape.interval import derive_interval, interval_of, read_interval, shipped_interval
from shape_audit.shape.known_models import KnownModel, known_models
from shape_audit.shape.model_shape import ShapeReading, describe
from shape_audit.shape.placement import place

__all__ = [
    "KnownModel",
    "ShapeReading",
    "derive_interval",
    "describe",
    "interval_of",
    "known_models",
    "place",
    "read_interval",
    "shipped_interval",
]
