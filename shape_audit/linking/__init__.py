"""Shapes x scores -> evidence, and its uncertainty said plainly.

among_size(scores)                            -> each score with its residual among models of its size
make_points(scores, interval, protocol=...)   -> the models, each with one score of one protocol
write_figures(evidence, points, folder)       two figures, PNG and SVG
link(scores), link_points(points)             -> evidence of all models, and without those at the chance floor
controlled_evidence()                         -> what models trained alike say: loss, benchmarks
link_evidence(points, ...)                    -> LinkEvidence: correlations, contrast, optimum, verdict, a paragraph

Only the front door is light: the statistics need numpy and statsmodels (the extra `board`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shape_audit.lazy import lazy_names
from shape_audit.linking.among_size import among_size

if TYPE_CHECKING:
    from shape_audit.linking.all_evidence import chosen_points, link, link_points
    from shape_audit.linking.controlled import controlled_evidence
    from shape_audit.linking.evidence import link_evidence
    from shape_audit.linking.figures import write_figures
    from shape_audit.linking.options import LinkOptions
    from shape_audit.linking.points import (
        ModelFacts,
        Point,
        facts_of_records,
        family_of,
        make_points,
        measured_of,
        parse_params,
        why_unfit,
    )
    from shape_audit.linking.words import nothing_to_link

__all__ = [
    "LinkOptions",
    "ModelFacts",
    "Point",
    "among_size",
    "chosen_points",
    "controlled_evidence",
    "facts_of_records",
    "family_of",
    "link",
    "link_evidence",
    "link_points",
    "make_points",
    "measured_of",
    "nothing_to_link",
    "parse_params",
    "why_unfit",
    "write_figures",
]

__getattr__ = lazy_names(
    __name__,
    {
        "all_evidence": "chosen_points link link_points",
        "controlled": "controlled_evidence",
        "evidence": "link_evidence",
        "figures": "write_figures",
        "options": "LinkOptions",
        "points": "ModelFacts Point facts_of_records family_of make_points measured_of parse_params why_unfit",
        "words": "nothing_to_link",
    },
)
