"""Whether a record of an earlier audit is what another audit would give: then that need not be made again."""

from __future__ import annotations

from shape_audit.auditing.measurement import protocol_hash
from shape_audit.auditing.options import DEFAULT_MAX_WINDOWS, DEFAULT_SEQ_LEN, DEFAULT_WINDOWS, AuditOptions
from shape_audit.errors import UsageError
from shape_audit.interaction import parse_sites
from shape_audit.records import AuditRecord


def answers(record: AuditRecord, options: AuditOptions, *, available: int | None = None) -> bool:
    """Whether the record has what `audit` with these options would measure on this revision.

    Shape-only options are answered by any record. Otherwise the protocol's hash, worked out from what is asked for
    and, where that leaves it open (the dtype of the checkpoint, the hash of the text), from what the record says, must
    be the record's own, and so must the windows. No file is read: a local text may have changed since.

    Args:
        available: how many windows the record's text can give, where that is known: a tolerance that was not reached
            with all of them asks for no further ones.
    """
    if options.shape_only:
        return True
    text, profile = record.calibration, record.interaction
    if text is None or profile is None or text.passage_bytes is None or profile.protocol != options.protocol:
        return False
    try:
        sites = parse_sites(options.sites, record.shape.num_hidden_layers)
    except UsageError:
        return False
    seq_len = options.seq_len or DEFAULT_SEQ_LEN
    asked = text.model_copy(
        update={
            "seq_len": seq_len,
            "passage_bytes": options.passage_bytes or 12 * seq_len,
            "seed": options.seed,
            "split": options.split or text.split,
            "column": options.text_column or text.column,
        }
    )
    name = options.dataset.partition("@")[0].partition(":")[0] if "/" in options.dataset else options.dataset
    if text.dataset not in (options.dataset, name, options.dataset.rpartition("/")[2]):
        return False
    measured = [site.name for site in profile.sites]
    if options.protocol != "projected-output" and measured != [site.name for site in sites]:
        return False
    expected = protocol_hash(
        protocol=profile.protocol,
        parameters=profile.parameters,
        sites=measured,
        dtype=profile.dtype if options.dtype == "auto" else options.dtype,
        attn_implementation=options.attn_implementation or profile.attn_implementation,
        calibration=asked,
    )
    return expected == profile.protocol_hash and _has_windows(record, options, available)


def _has_windows(record: AuditRecord, options: AuditOptions, available: int | None) -> bool:
    """Whether a run with these options would end at, or before, the windows that the record used."""
    assert record.interaction is not None
    profile = record.interaction
    if options.tolerance is None:
        return profile.windows_used == (options.windows or DEFAULT_WINDOWS)
    intervals = [site.aofe_ratio_ci for site in profile.sites if site.trace != 0]
    if all(ends is not None and (ends[1] - ends[0]) / 2 <= options.tolerance for ends in intervals):
        return True
    most = options.max_windows or DEFAULT_MAX_WINDOWS
    return profile.converged is False and profile.windows_used >= min(most, most if available is None else available)
