"""Windows and weights -> the interaction profile: AGOP sums at every site, energies, cross-entropy.

    parse_sites(text, depth)        -> the sites a user asked for; light
    parse_device_map(text), parse_max_memory(text)     -> where weights should live; light
    settle_memory(checkpoint, ...)  -> MemoryPlan, and the WeightPlacement to load with     (imports torch)
    check_supported(checkpoint)     refuses unknown architectures             (imports transformers)
    load_model(checkpoint, ...)     -> LoadedModel                         (imports torch)
    protocol_of(name)               -> what to measure: one file a protocol
    ProfilePass(loaded, ...)        .extend(windows), .profile() -> Profile: loss and one SiteInteraction a site
    weight_energies(checkpoint)     -> the weights' own interaction, without a pass
    nfa_correlations(model, windows), random_correlations(loaded, windows), weight_interactions(...)
                                    -> the Neural Feature Ansatz: weights beside the gradients that feed them

gradients -> SiteSums -> Energies -> ErrorBars -> SiteInteraction. `loss_gradient` is the paper's protocol. `slow_twin`
computes the same numbers the long way, in float64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shape_audit.interaction.device_map import DeviceMap, parse_device_map, parse_max_memory
from shape_audit.interaction.launched import LAUNCHED, LOST_CONTACT, rank, world_size
from shape_audit.interaction.memory_estimate import DeviceMemory, MemoryPlan, memory_advice
from shape_audit.interaction.sample_size import MIN_WINDOWS, RELIABLE_WINDOWS
from shape_audit.interaction.sites import Site, parse_sites

if TYPE_CHECKING:
    from shape_audit.interaction.loading import (
        LoadedModel,
        check_supported,
        chosen_device,
        load_model,
        quiet_transformers,
    )
    from shape_audit.interaction.neural_feature_ansatz import (
        nfa_correlations,
        random_correlations,
        weight_interactions,
    )
    from shape_audit.interaction.pass_state import PassState
    from shape_audit.interaction.profile import Profile, ProfilePass
    from shape_audit.interaction.protocols import MeasurementProtocol, protocol_of
    from shape_audit.interaction.settling import SettledMemory, settle_memory
    from shape_audit.interaction.weight_gram import WeightEnergies, weight_energies

PROTOCOL_NAMES = ("loss-gradient", "output-gradient", "projected-output")
"""What can be measured; the first is the default. See the file of each."""

ESTIMATOR_VERSION = 2
"""Raised whenever the same windows and weights would give other numbers; part of the protocol hash."""

_HEAVY = {
    "LoadedModel": "loading",
    "load_model": "loading",
    "PassState": "pass_state",
    "Profile": "profile",
    "ProfilePass": "profile",
    "MeasurementProtocol": "protocols",
    "protocol_of": "protocols",
    "SettledMemory": "settling",
    "settle_memory": "settling",
    "check_supported": "loading",
    "quiet_transformers": "loading",
    "weights_folder": "loading",
    "chosen_device": "loading",
    "Alone": "world",
    "join": "world",
    "nfa_correlations": "neural_feature_ansatz",
    "random_correlations": "neural_feature_ansatz",
    "weight_interactions": "neural_feature_ansatz",
    "WeightEnergies": "weight_gram",
    "weight_energies": "weight_gram",
}

__all__ = [
    "ESTIMATOR_VERSION",
    "LAUNCHED",
    "LOST_CONTACT",
    "MIN_WINDOWS",
    "PROTOCOL_NAMES",
    "RELIABLE_WINDOWS",
    "Alone",
    "DeviceMap",
    "DeviceMemory",
    "LoadedModel",
    "MeasurementProtocol",
    "MemoryPlan",
    "PassState",
    "Profile",
    "ProfilePass",
    "SettledMemory",
    "Site",
    "WeightEnergies",
    "check_supported",
    "chosen_device",
    "join",
    "load_model",
    "memory_advice",
    "nfa_correlations",
    "parse_device_map",
    "parse_max_memory",
    "parse_sites",
    "protocol_of",
    "quiet_transformers",
    "random_correlations",
    "rank",
    "settle_memory",
    "weight_energies",
    "weight_interactions",
    "weights_folder",
    "world_size",
]


def __getattr__(name: str) -> Any:
    """The heavy names, imported when first asked for: they bring torch with them."""
    if name in _HEAVY:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HEAVY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
