"""Which records answer for an audit: what a tolerance that was not reached asks for."""

from pathlib import Path

import pytest

import shape_audit
from shape_audit.auditing import AuditOptions, TextNow, satisfies
from shape_audit.calibration import DEFAULT_MAX_WINDOWS
from shape_audit.records import AuditRecord

OPTIONS = {"seq_len": 8, "tolerance": 1e-6}


@pytest.fixture(scope="module")
def unsettled(tiny_llama: Path) -> AuditRecord:
    """Not converged after 20 windows."""
    return shape_audit.audit(str(tiny_llama), max_windows=20, **OPTIONS)


def changed(record: AuditRecord, **interaction: object) -> AuditRecord:
    assert record.interaction is not None
    return record.model_copy(update={"interaction": record.interaction.model_copy(update=interaction)})


def test_all_the_windows_there_can_be_are_enough(unsettled: AuditRecord) -> None:
    assert not satisfies(unsettled, AuditOptions.of(**OPTIONS))
    assert not satisfies(unsettled, AuditOptions.of(**OPTIONS), TextNow(available=21))
    assert satisfies(unsettled, AuditOptions.of(**OPTIONS), TextNow(available=20))
    assert satisfies(unsettled, AuditOptions.of(max_windows=20, **OPTIONS))
    assert not satisfies(unsettled, AuditOptions.of(max_windows=21, **OPTIONS), TextNow(available=30))
    most = changed(unsettled, windows_used=DEFAULT_MAX_WINDOWS)
    assert satisfies(most, AuditOptions.of(**OPTIONS))
    assert not satisfies(most, AuditOptions.of(max_windows=2 * DEFAULT_MAX_WINDOWS, **OPTIONS))


def test_a_site_that_no_gradient_reaches_keeps_no_record_from_being_settled(unsettled: AuditRecord) -> None:
    assert unsettled.interaction is not None
    wide = AuditOptions.of(seq_len=8, tolerance=0.99)
    assert satisfies(unsettled, wide)
    first, *others = unsettled.interaction.sites
    silent = first.model_copy(update={"trace": 0.0, "aofe_ratio": None, "aofe_ratio_ci": None})
    assert satisfies(changed(unsettled, sites=[silent, *others], converged=True), wide)
