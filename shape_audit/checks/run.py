"""A check: read the model's files once, let every rule look, and sort what they saw by the policy and the baseline."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shape_audit.calibration import DEFAULT_SEQ_LEN
from shape_audit.checks.all_rules import all_rules
from shape_audit.checks.architecture import CannotLookError, Expected, compare_with_architecture
from shape_audit.checks.baseline import read_baseline
from shape_audit.checks.checked_model import CheckedModel
from shape_audit.checks.consequences import Told, causes
from shape_audit.checks.options import CheckOptions
from shape_audit.checks.policy import Ignored, Policy, read_policy
from shape_audit.checks.rule import Need, Rule, Seen, Unable
from shape_audit.errors import (
    IncompleteError,
    MissingExtraError,
    NonFiniteError,
    UsageError,
    did_you_mean,
    translate_errors,
)
from shape_audit.escaping import on_a_line
from shape_audit.hub import Inspection, checkpoint_of, inspect_model, parse_model
from shape_audit.interval import read_interval
from shape_audit.records import Accepted, AuditRecord, CheckReport, Finding, ModelRef, read_record

if TYPE_CHECKING:
    from shape_audit.auditing import AuditOptions
    from shape_audit.checks.weight_scan import TensorNumbers

MOST_OF_A_RULE = 1000
"""Findings of one rule that are kept one by one; the rest are counted in one more."""

LONGEST = 2000
"""Characters of a message: what transformers says of a config may be long, and its end is what matters."""

OPTIONS: dict[Need, str] = {
    "headers": "", "deep": "--deep", "weights": "--weights", "hashes": "--verify-hashes", "record": "--measure",
}  # fmt: skip
"""What has a rule look."""


def check(model: str | Path | ModelRef, options: CheckOptions | None = None, **changes: Any) -> CheckReport:
    """Check a model before it is released, without loading its weights.

        report = shape_audit.check("./my-model", deep=True)
        report.failing

    Args:
        model: `org/name`, `org/name@revision`, a folder, or `builtin:NAME`.
        options: all options at once; None for the defaults.
        **changes: single options by name, see `CheckOptions`; only where `options` is not given.

    Raises:
        IncompleteError: the model cannot be reached at all, or an option needs what is not there.
        NotAuditableError: --deep or --measure of what cannot be built or measured.
        UsageError: options that are not a valid combination.
    """
    options = CheckOptions.given(options, changes, "check()")
    with translate_errors(str(model)):
        ref = parse_model(model, subfolder=options.read.subfolder, variant=options.read.variant)
        return _check(ref, options)


def _check(ref: ModelRef, options: CheckOptions) -> CheckReport:
    from shape_audit import __version__

    policy = _policy(options)
    rules, not_run, off = _chosen_rules(options, policy)
    accepted = read_baseline(options.baseline) if options.baseline else {}
    files = inspect_model(ref, retries=options.read.retries)
    checked, unable = _looked_at(files, options, policy)
    rules = [rule for rule in rules if rule.needs not in unable]
    not_run |= {
        id: f"{OPTIONS[rule.needs]}: {unable[rule.needs]}" for id, rule in all_rules().items() if rule.needs in unable
    }
    told, left = [], []
    looked = [(rule, list(rule.look(checked, policy))) for rule in rules]
    seen = {rule.id: [one for one in found if isinstance(one, Seen)] for rule, found in looked}
    not_run |= {rule.id: why for rule, found in looked if (why := _not_judged(rule, found, options))}
    rules = [rule for rule in rules if seen[rule.id] or rule.id not in not_run]
    for finding, subjects in (one for rule in rules for one in _findings(rule, seen[rule.id], policy)):
        if (reason := _reason(finding, policy.ignore)) is None:
            told.append((_reminding(finding, policy.ignore), subjects))
        else:
            left.append(Accepted(finding=finding, reason=_one_line(reason)))
    found = causes(told, all_rules())  # with those of the baseline: what follows from them is not written there
    left += [Accepted(finding=one, reason=accepted[one.fingerprint]) for one in found if one.fingerprint in accepted]
    return CheckReport(
        repo_id=_one_line(files.repo_id),
        revision=files.revision,
        tool_version=__version__,
        rules_run=[rule.id for rule in rules],
        rules_not_run=not_run,
        findings=[finding for finding in found if finding.fingerprint not in accepted],
        accepted=left,
        fail_on=options.fail_on,
        settings=[_one_line(line) for line in _settings(options, policy)],
        read_as=[_one_line(note) for note in files.ref.notes],
        rules_off={id: _one_line(why) for id, why in off.items()},
        severities={id: level for id, level in policy.severity.items() if level != "off"}
        | {id: f"at least {level}" for id, level in policy.at_least.items()},
    )


def _settings(options: CheckOptions, policy: Policy) -> Iterator[str]:
    """What a check is judged by beside the defaults, for the report to name."""
    yield from options.settings
    if policy != Policy(interval=policy.interval):
        bounds = ", ".join(policy.bounds())
        name = f"policy {policy.source}" if policy.source is not None else "a policy given in Python"
        yield f"{name}: {bounds}" if bounds else name
    named = {"--interval": options.interval, "--baseline": options.baseline, "--record": options.record,
             "--subfolder": options.read.subfolder, "--variant": options.read.variant}  # fmt: skip
    yield from (f"{flag} {value}" for flag, value in named.items() if value is not None)


def _policy(options: CheckOptions) -> Policy:
    """The policy that holds, with the interval that was named beside it."""
    policy = options.policy or Policy()
    if isinstance(policy, Path):
        policy = read_policy(policy, all_rules())
    return replace(policy, interval=read_interval(options.interval)) if options.interval else policy


def _chosen_rules(options: CheckOptions, policy: Policy) -> tuple[list[Rule], dict[str, str], dict[str, str]]:
    """Those that run; of the others, the option they wait for, or what has switched them off.

    Raises:
        UsageError: an unknown id, or nothing is left to run.
    """
    known = all_rules()
    for prefix in (*options.select, *options.ignore):
        if not any(id.startswith(prefix) for id in known) or not prefix:
            advice = did_you_mean(prefix, known) or "; see shape-audit rules"
            raise UsageError(f"no rule is called {prefix or 'nothing'}{advice}")
    available: dict[Need, bool] = {
        "headers": True,
        "deep": options.deep,
        "weights": options.weights,
        "hashes": options.verify_hashes,
        "record": options.measure or options.record is not None,
    }
    off: dict[str, str] = {}
    for id in known:
        if options.select and not id.startswith(options.select):
            off[id] = f"--select {','.join(options.select)}"
        elif options.ignore and id.startswith(options.ignore):
            off[id] = f"--ignore {','.join(options.ignore)}"
        elif policy.severity.get(id) == "off":
            off[id] = f"off in {policy.source or 'the policy'}"
    wanted = [rule for rule in sorted(known.values(), key=lambda rule: rule.id) if rule.id not in off]
    rules = [rule for rule in wanted if available[rule.needs]]
    waiting = [rule for rule in wanted if not available[rule.needs]]
    if not rules:
        needed = " or ".join(sorted({OPTIONS[rule.needs] for rule in waiting}))
        raise UsageError(
            f"no rule is left to run; those selected need {needed}" if needed else "no rule is left to run"
        )
    return rules, {rule.id: _waits_for(rule, policy) for rule in waiting}, dict(sorted(off.items()))


def _waits_for(rule: Rule, policy: Policy) -> str:
    """The option that has a rule look; where the policy asks for what it judges, with a word that nothing did."""
    bounds = [name for name in rule.bounds if policy.has_bound(name)]
    return OPTIONS[rule.needs] + (f": needed to judge the policy's {' and '.join(bounds)}" if bounds else "")


def _not_judged(rule: Rule, found: Sequence[Seen | Unable], options: CheckOptions) -> str | None:
    """Why a rule could not judge what the policy asks for; None where it could."""
    reasons = [one.reason for one in found if isinstance(one, Unable)]
    option = "--record" if rule.needs == "record" and options.record else OPTIONS[rule.needs] or "policy"
    return _one_line(f"{option}: {'; '.join(reasons)}") if reasons else None


def _looked_at(files: Inspection, options: CheckOptions, policy: Policy) -> tuple[CheckedModel, dict[Need, str]]:
    """The model with all that the options ask to have looked at; and what could not be, with the reason."""
    unable: dict[Need, str] = {}
    expected = None
    try:
        expected = _expected(files) if options.deep else None
    except CannotLookError as error:
        unable["deep"] = _one_line(str(error))
    numbers = _numbers(files) if options.weights else None
    record, not_finite = None, None
    if options.record is not None:
        record = _fitting_record(files, options.record)
    elif options.measure:
        from shape_audit.auditing import audit

        try:
            record = audit(files.ref, _measurement(files, policy))
        except NonFiniteError as error:
            not_finite = str(error)
    checked = CheckedModel(
        files=files,
        expected=expected,
        numbers=numbers,
        hash_mismatches=_hash_mismatches(files) if options.verify_hashes else None,
        record=record,
        not_finite=not_finite,
    )
    return checked, unable


def _measurement(files: Inspection, policy: Policy) -> AuditOptions:
    """The audit's defaults, in windows that the model has positions for, and what the policy has bounds on."""
    from shape_audit.auditing import AuditOptions

    facts = CheckedModel(files).facts
    positions = (facts and facts.max_position_embeddings) or DEFAULT_SEQ_LEN
    return AuditOptions.of(
        seq_len=min(DEFAULT_SEQ_LEN, positions),
        use=policy.functional_share is not None,
        skip=policy.cheap_blocks is not None,
    )


def _expected(files: Inspection) -> Expected | None:
    if files.config is None or not any(files.headers.get(file) for file in files.weight_files):
        return None  # findings of other rules say why
    try:
        return compare_with_architecture(files)
    except ImportError as error:
        raise MissingExtraError("--deep needs transformers; pip install 'shape-audit[measure]'") from error


def _numbers(files: Inspection) -> dict[str, TensorNumbers]:
    """Of every tensor of the files that are loaded and sound."""
    from shape_audit.checks.weight_scan import scan_file  # brings numpy, which a plain check does without

    found: dict[str, TensorNumbers] = {}
    for file in files.weight_files:
        if file in files.headers:
            found |= scan_file(files.local(file), files.headers[file])
    return found


def _hash_mismatches(files: Inspection) -> dict[str, str]:
    if not files.hub_hashes:
        raise UsageError(f"--verify-hashes: the Hub has no hashes for {files.repo_id}")
    found = {}
    for name, expected in sorted(files.hub_hashes.items()):
        if "/" in name:
            continue
        digest = _digest(files.local(name), of_git=len(expected) < 64)
        if digest != expected:
            found[name] = digest
    return found


def _digest(path: Path, *, of_git: bool) -> str:
    """The sha256 of a file, or its id as a blob of git."""
    head = hashlib.sha1(b"blob %d\0" % path.stat().st_size) if of_git else hashlib.sha256()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: head).hexdigest()


def _fitting_record(files: Inspection, path: Path) -> AuditRecord:
    """The record given, if it is of this model."""
    record, revision = read_record(path), checkpoint_of(files).revision
    if record.model.revision != revision:
        raise IncompleteError(
            f"{path}: a record of {record.model.repo_id} at {record.model.revision[:12]}, "
            f"but {files.repo_id} is at {revision[:12]}; audit it again"
        )
    if record.interaction is None:
        raise IncompleteError(f"{path}: a shape-only record; it has no interaction profile")
    return record


def _findings(rule: Rule, seen: Sequence[Seen], policy: Policy) -> Iterator[Told]:
    """What a rule sees, as findings; beyond the first few, as one that counts the others."""
    counts: Counter[tuple[str, str]] = Counter()
    for one in _bounded(seen):
        counts[one.file, one.place] += 1
        key = f"{rule.id}\0{one.file}\0{one.place}\0{counts[one.file, one.place]}"
        finding = Finding(
            rule=rule.id,
            name=rule.name,
            severity=policy.judged(rule.id, one.severity or rule.severity),
            message=_one_line(one.message),
            file=_one_line(one.file),
            place=_one_line(one.place),
            fix=one.fix or rule.fix,
            fingerprint=hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:16],
        )
        yield finding, one.subjects


def _bounded(seen: Sequence[Seen]) -> Iterator[Seen]:
    yield from seen[:MOST_OF_A_RULE]
    if len(seen) > MOST_OF_A_RULE:
        left = len(seen) - MOST_OF_A_RULE
        yield Seen(f"and {left} more of the same kind", file=seen[-1].file, place=f"{left} more")


def _one_line(text: str) -> str:
    """Names and messages may come from anywhere: no line ends, no control characters, no half surrogates, an end."""
    return on_a_line(text, LONGEST)


def _reason(finding: Finding, ignored: Sequence[Ignored]) -> str | None:
    """The policy's reason to accept a finding; None where there is none, or none any more."""
    for entry in ignored:
        if entry.covers(finding) and (entry.expires is None or date.today() <= entry.expires):
            return entry.reason
    return None


def _reminding(finding: Finding, ignored: Sequence[Ignored]) -> Finding:
    """The finding; where a policy once accepted it, with a word that this is over."""
    entry = next((entry for entry in ignored if entry.covers(finding)), None)
    if entry is None:
        return finding
    return finding.model_copy(update={"message": f"{finding.message} (accepted until {entry.expires}: {entry.reason})"})
