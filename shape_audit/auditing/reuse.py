"""Whether a record of an earlier audit is what another audit would give: then that need not be made again."""

from __future__ import annotations

from dataclasses import dataclass

from shape_audit.auditing.options import AuditOptions
from shape_audit.auditing.protocol_identity import protocol_hash
from shape_audit.calibration import WindowOptions, names_text
from shape_audit.errors import UsageError
from shape_audit.interaction import OF_THE_WHOLE_MODEL, MeasureOptions, parse_sites
from shape_audit.records import AuditRecord, Calibration, Interaction


@dataclass(frozen=True)
class TextNow:
    """What is known of a calibration text as it is now; None where it cannot be told.

    Attributes:
        sha256: of its bytes.
        revision: the commit that a Hub dataset means, see `calibration.dataset_revision`.
        available: how many windows it can give: a tolerance that was not reached with all of them asks for no more.
    """

    sha256: str | None = None
    revision: str | None = None
    available: int | None = None


def satisfies(record: AuditRecord, options: AuditOptions, now: TextNow | None = None) -> bool:
    """Whether the record has what `audit` with these options would measure on this revision.

    Any record satisfies shape-only options. Otherwise the protocol's hash, worked out from what is requested and, where
    that leaves it open (the dtype of the checkpoint, the hash of the text), from what the record says, must be the
    record's own, and so must the windows. No file is read.

    Args:
        now: of the text that the options name; None where nothing is known of it.
    """
    if options.shape_only:
        return True
    text, profile = record.calibration, record.interaction
    if text is None or profile is None or text.passage_bytes is None or profile.protocol != options.measure.protocol:
        return False
    now = now or TextNow()
    if not names_text(options.text, text, now.revision) or now.sha256 not in (None, text.text_sha256):
        return False
    measured = [site.name for site in profile.sites]
    if options.measure.protocol not in OF_THE_WHOLE_MODEL and measured != _sites(record, options):
        return False
    if not _has_parts(record, options.measure):
        return False
    settings = profile.model_copy(
        update={
            "dtype": profile.dtype if options.load.dtype == "auto" else options.load.dtype,
            "attn_implementation": options.load.attn_implementation or profile.attn_implementation,
        }
    )
    requested = protocol_hash(settings, measured, _requested_text(text, options.text))
    return requested == profile.protocol_hash and _has_windows(profile, options.text, now.available)


def _has_parts(record: AuditRecord, wanted: MeasureOptions) -> bool:
    """Whether what is measured besides is in the record, where it is wanted."""
    has_skipped = record.use is not None and record.use.summary is not None
    has_width = record.use is not None and record.use.sites is not None
    return (
        (has_skipped or not wanted.skip)
        and (has_width or not wanted.use)
        and (record.weights is not None or not wanted.nfa)
    )


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


def _has_windows(profile: Interaction, wanted: WindowOptions, available: int | None) -> bool:
    """Whether a run with these options would end at, or before, the windows that the record used."""
    if wanted.tolerance is None:
        return profile.windows_used == wanted.most
    intervals = [site.aofe_ratio_ci for site in profile.sites if site.trace != 0]
    is_settled = all(ends is not None and (ends[1] - ends[0]) / 2 <= wanted.tolerance for ends in intervals)
    most = wanted.most if available is None else min(wanted.most, available)
    return is_settled or (profile.converged is False and profile.windows_used >= most)
