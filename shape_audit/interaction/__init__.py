"""Windows and a loaded model -> the interaction profile: AGOP sums at every site, energies, cross-entropy.

parse_sites(text, depth)        -> the sites a user asked for; light
protocol_of(name)               -> what to measure: one file a protocol             (imports torch)
ProfilePass(loaded, ...)        .extend(windows), .profile() -> Profile: loss and one SiteInteraction a site
weight_energies(checkpoint)     -> the weights' own interaction, without a pass
nfa_correlations(model, windows), random_correlations(loaded, windows), weight_interactions(...)
                                -> the Neural Feature Ansatz: weights beside the gradients that feed them

stream/      where gradients are read, and one backward pass to all of those places
protocols/   which scalar of the output is differentiated: one file a protocol
estimators/  gradients -> SiteSums -> Energies -> ErrorBars
width/       stream and gradients -> WidthSums -> how many directions are used
ansatz/      weight matrices beside the gradients that feed them
twins/       the same numbers the long way, in float64
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shape_audit.interaction.estimators.sample_size import MIN_WINDOWS, RELIABLE_WINDOWS
from shape_audit.interaction.options import MeasureOptions
from shape_audit.interaction.protocols.names import OF_THE_WHOLE_MODEL, PROTOCOL_NAMES
from shape_audit.interaction.stream.sites import Site, parse_sites
from shape_audit.lazy import lazy_names

if TYPE_CHECKING:
    from shape_audit.interaction.ansatz.neural_feature_ansatz import (
        nfa_correlations,
        random_correlations,
        weight_interactions,
    )
    from shape_audit.interaction.ansatz.weight_gram import weight_energies
    from shape_audit.interaction.estimators.sums import SiteSums
    from shape_audit.interaction.pass_state import PassState
    from shape_audit.interaction.profile import PassPlan, Profile, ProfilePass
    from shape_audit.interaction.protocols.registry import MeasurementProtocol, protocol_of
    from shape_audit.interaction.skip_report import BlockSkipping, SkippedLoss
    from shape_audit.interaction.stream.backward import add_gradients
    from shape_audit.interaction.stream.micro_batch import MicroBatch

ESTIMATOR_VERSION = 4
"""Raised whenever the same windows and weights would give other numbers; part of the protocol hash."""

__all__ = [
    "ESTIMATOR_VERSION",
    "MIN_WINDOWS",
    "OF_THE_WHOLE_MODEL",
    "PROTOCOL_NAMES",
    "RELIABLE_WINDOWS",
    "BlockSkipping",
    "MeasureOptions",
    "MeasurementProtocol",
    "MicroBatch",
    "PassPlan",
    "PassState",
    "Profile",
    "ProfilePass",
    "Site",
    "SiteSums",
    "SkippedLoss",
    "add_gradients",
    "nfa_correlations",
    "parse_sites",
    "protocol_of",
    "random_correlations",
    "weight_energies",
    "weight_interactions",
]

__getattr__ = lazy_names(
    __name__,
    {
        "ansatz.neural_feature_ansatz": "nfa_correlations random_correlations weight_interactions",
        "ansatz.weight_gram": "weight_energies",
        "estimators.sums": "SiteSums",
        "pass_state": "PassState",
        "profile": "PassPlan Profile ProfilePass",
        "protocols.registry": "MeasurementProtocol protocol_of",
        "skip_report": "BlockSkipping SkippedLoss",
        "stream.backward": "add_gradients",
        "stream.micro_batch": "MicroBatch",
    },
)
