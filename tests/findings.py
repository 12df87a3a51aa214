"""What two audits found, to be compared whenever they were made."""

from shape_audit.records import AuditRecord, findings_sha256


def findings(record: AuditRecord | str) -> str:
    """A hash of it.

    Args:
        record: itself, or as `audit -f json` prints it.
    """
    return findings_sha256(AuditRecord.model_validate_json(record) if isinstance(record, str) else record)
