"""Which records answer for an audit: what a tolerance that was not reached asks for."""

from pathlib import Path

import pytest

import shape_audit
from shape_audit.auditing import AuditOptions, TextNow, satisfies
from shape_audit.auditing.protocol_identity import protocol_hash
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


def test_what_is_measured_besides_must_be_there(unsettled: AuditRecord) -> None:
    asked = {"max_windows": 20, **OPTIONS}
    for extra in ("use", "skip", "nfa"):
        assert not satisfies(unsettled, AuditOptions.of(**asked, **{extra: True}))
    assert unsettled.use is not None
    used = unsettled.model_copy(update={"use": unsettled.use.model_copy(update={"sites": []})})
    assert satisfies(used, AuditOptions.of(**asked, use=True)) and not satisfies(
        used, AuditOptions.of(**asked, skip=True)
    )


def on(record: AuditRecord, **text: object) -> AuditRecord:
    """The record, had it been measured on another text."""
    assert record.calibration is not None and record.interaction is not None
    moved = record.model_copy(update={"calibration": record.calibration.model_copy(update=text)})
    names = [site.name for site in record.interaction.sites]
    return changed(moved, protocol_hash=protocol_hash(record.interaction, names, moved.calibration))


def test_another_dataset_config_or_revision_is_another_text(tiny_llama: Path) -> None:
    commit = "a" * 40
    plain = shape_audit.audit(tiny_llama, windows=4, seq_len=8)
    of_hub = {"dataset": "org/wikitext", "config": "wikitext-2-raw-v1", "revision": commit, "split": "test"}
    record = on(plain, column="text", **of_hub)

    def taken(dataset: str, now: TextNow | None = None, **more: object) -> bool:
        return satisfies(record, AuditOptions.of(windows=4, seq_len=8, dataset=dataset, **more), now)

    assert taken("org/wikitext:wikitext-2-raw-v1") and taken("org/wikitext")
    assert taken(f"org/wikitext@{commit}") and taken(f"org/wikitext@{commit[:7]}")
    assert taken("org/wikitext@v1", TextNow(revision=commit)) and taken("org/wikitext", TextNow(revision=commit))
    assert not taken("org/wikitext:wikitext-103-raw-v1") and not taken("org/wikitext:wikitext-103-raw-v1@other")
    assert not taken("org/wikitext@other"), "a branch that nobody has looked up"
    assert not taken("org/wikitext@" + "b" * 40) and not taken("org/wikitext", TextNow(revision="b" * 40))
    assert not taken("other/wikitext") and not taken("wikitext") and not taken("builtin:python-docs")
    assert not taken("org/wikitext", split="train") and not taken("org/wikitext", text_column="other")
    assert not satisfies(plain, AuditOptions.of(windows=4, seq_len=8, dataset="org/python-docs"))
    assert satisfies(plain, AuditOptions.of(windows=4, seq_len=8))
    assert not satisfies(plain, AuditOptions.of(windows=4, seq_len=8), TextNow(sha256="0" * 64))
