"""Whether a record of an earlier audit is what another audit would give: then that need not be made again."""

from __future__ import annotations

from shape_audit.auditing.measurement import protocol_hash
from shape_audit.auditing.options import AuditOptions
from shape_audit.calibration import WindowOptions, names_text
from shape_audit.errors import UsageError
from shape_audit.interaction import parse_sites
from shape_audit.records import AuditRecord, Calibration, Interaction


def satisfies(record: AuditRecord, options: AuditOptions, revision: str | None = None) -> bool:
    """Whether the record has what `audit` with these options would measure on this revision.

    Any record satisfies shape-only options. Otherwise the protocol's hash, worked out from what is requested and, where
    that leaves it open (the dtype of the checkpoint, the hash of the text), from what the record says, must be the
    record's own, and so must the windows. No file is read: a local text may have changed since.

    Args:
        revision: the commit that a Hub dataset means now, see `calibration.dataset_revision`.
    """
    if options.shape_only:
        return True
    text, profile = record.calibration, record.interaction
    if text is None or profile is None or text.passage_bytes is None or profile.protocol != options.measure.protocol:
        return False
    if not names_text(options.text, text, revision):
        return False
    measured = [site.name for site in profile.sites]
    if options.measure.protocol != "projected-output" and measured != _sites(record, options):
        return False
    settings = profile.model_copy(
        update={
            "dtype": profile.dtype if options.load.dtype == "auto" else options.load.dtype,
            "attn_implementation": options.load.attn_implementation or profile.attn_implementation,
        }
    )
    requested = protocol_hash(settings, measured, _requested_text(text, options.text))
    return requested == profile.protocol_hash and _has_windows(profile, options.text)


def _sites(record: AuditRecord, options: AuditOptions) -> list[str] | None:
    try:
        return [site.name for site in parse_sites(options.measure.sites, record.shape.num_hidden_layers)]
    except UsageError:
        return None


def _requested_text(text: Calibration, wanted: WindowOptions) -> Calibration:
    """The record's text, cut as is requested."""
    return text.model_copy(
        update={
            "seq_len": wanted.length,
            "passage_bytes": wanted.passage_bytes or 12 * wanted.length,
            "seed": wanted.seed,
        }
    )


def _has_windows(profile: Interaction, wanted: WindowOptions) -> bool:
    if wanted.tolerance is None:
        return profile.windows_used == wanted.most
    intervals = [site.aofe_ratio_ci for site in profile.sites if site.trace != 0]
    is_settled = all(ends is not None and (ends[1] - ends[0]) / 2 <= wanted.tolerance for ends in intervals)
    return is_settled or (profile.converged is False and profile.windows_used >= wanted.most)
