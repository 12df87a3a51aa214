"""Windows and weights -> the interaction profile: AGOP sums at every site, energies, cross-entropy.

    parse_sites(text, depth)        -> the sites a user asked for; light
    check_supported(checkpoint)     refuses unknown architectures             (imports transformers)
    load_model(checkpoint, ...)     -> LoadedModel                         (imports torch)
    measure_profile(loaded, ...)    -> Profile: loss and one SiteInteraction a site

One file a protocol: `loss_gradient` is the paper's. `slow_twin` computes the same numbers the long way, in float64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shape_audit.interaction.sites import Site, parse_sites

if TYPE_CHECKING:
    from shape_audit.interaction.loading import LoadedModel, check_supported, load_model
    from shape_audit.interaction.profile import Profile, measure_profile

PROTOCOL = "loss-gradient"
"""The protocol measured, see `loss_gradient`."""

ESTIMATOR_VERSION = 1
"""Raised whenever the same windows and weights would give other numbers; part of the protocol hash."""

_HEAVY = {
    "LoadedModel": "loading",
    "load_model": "loading",
    "Profile": "profile",
    "measure_profile": "profile",
    "check_supported": "loading",
}

__all__ = [
    "ESTIMATOR_VERSION",
    "PROTOCOL",
    "LoadedModel",
    "Profile",
    "Site",
    "check_supported",
    "load_model",
    "measure_profile",
    "parse_sites",
]


def __getattr__(name: str) -> Any:
    """The heavy names, imported when first asked for: they bring torch with them."""
    if name in _HEAVY:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HEAVY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
