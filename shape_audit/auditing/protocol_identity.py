"""What makes two measurements of one model comparable: the settings of a profile, and their hash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shape_audit.interaction import ESTIMATOR_VERSION
from shape_audit.records import Calibration, Interaction, sha256_of

if TYPE_CHECKING:
    from shape_audit.interaction import MeasurementProtocol
    from shape_audit.models import LoadedModel


def profile_settings(loaded: LoadedModel, protocol: MeasurementProtocol) -> Interaction:
    """The profile's settings, before there are numbers."""
    return Interaction(
        protocol=protocol.name,
        parameters=dict(protocol.parameters),
        dtype=loaded.dtype_name,
        attn_implementation=loaded.attn_implementation,
        protocol_hash="",
        windows_used=0,
        converged=None,
        sites=[],
    )


def protocol_hash(profile: Interaction, sites: Sequence[str], calibration: Calibration) -> str:
    """sha256 over everything that makes two measurements comparable, the number of windows not among it.

    Measurements of one model with equal hashes differ in how many windows they used and on what machine, no more.

    Args:
        profile: its settings; numbers, sites and hash in it are not looked at.
        sites: names of the sites measured, in network order.
    """
    return sha256_of(
        {
            "protocol": profile.protocol,
            "parameters": dict(profile.parameters),
            "sites": list(sites),
            "dtype": profile.dtype,
            "attn_implementation": profile.attn_implementation,
            "dataset": calibration.dataset,
            "config": calibration.config,
            "dataset_revision": calibration.revision,
            "split": calibration.split,
            "column": calibration.column,
            "text_sha256": calibration.text_sha256,
            "seq_len": calibration.seq_len,
            "passage_bytes": calibration.passage_bytes,
            "seed": calibration.seed,
            "estimator_version": ESTIMATOR_VERSION,
        }
    )
