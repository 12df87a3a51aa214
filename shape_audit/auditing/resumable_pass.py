"""Running a pass to its end: to a number of windows or a tolerance, from partial results where there are some."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shape_audit.auditing.options import DEFAULT_MAX_WINDOWS, DEFAULT_WINDOWS, AuditOptions
from shape_audit.auditing.partial_results import PartialResults
from shape_audit.auditing.progress import Progress
from shape_audit.auditing.window_source import WindowSource
from shape_audit.calibration import WindowSet
from shape_audit.errors import IncompleteError, NotAuditableError

if TYPE_CHECKING:
    from shape_audit.interaction import Profile, ProfilePass

FIRST_CHECKPOINT = 16
"""Windows after which a run with a tolerance first looks at its intervals, and any run first saves its sums."""


@dataclass(frozen=True)
class FinishedPass:
    """What a pass ended in.

    Attributes:
        converged: whether the tolerance was reached; None where none was asked for.
        notes: on partial results that were there.
    """

    windows: WindowSet
    profile: Profile
    converged: bool | None
    notes: list[str] = field(default_factory=list)


def run_pass(
    a_pass: ProfilePass,
    source: WindowSource,
    options: AuditOptions,
    progress: Progress,
    subject: str,
    partial: PartialResults | None,
) -> FinishedPass:
    """Measure until the windows asked for are in, or the tolerance is reached.

    Args:
        subject: the model's name, for messages.
        partial: where sums are saved on the way; None saves nothing.

    Raises:
        IncompleteError, NotAuditableError: as `ProfilePass.extend` says; another run of this audit is at work.
    """
    counts = list(checkpoints(options, source.available))
    if partial is None:
        return _run(a_pass, source, counts, options, progress, subject, None, [])
    _locked(a_pass, partial)
    try:
        notes = _restored(a_pass, source, counts, options, partial)
        finished = _run(a_pass, source, counts, options, progress, subject, partial, notes)
        if a_pass.world.rank == 0:
            partial.finish()
        return finished
    finally:
        partial.lock.unlock()


def _run(
    a_pass: ProfilePass,
    source: WindowSource,
    counts: list[int],
    options: AuditOptions,
    progress: Progress,
    subject: str,
    partial: PartialResults | None,
    notes: list[str],
) -> FinishedPass:
    saved_at = len(a_pass.windows)

    def checkpoint() -> None:
        nonlocal saved_at
        done = len(a_pass.windows)
        due = done - saved_at >= options.save_every or (done >= FIRST_CHECKPOINT and done & (done - 1) == 0)
        if partial is None or not due or done < partial.smallest:
            return
        state = a_pass.state()
        if a_pass.world.rank == 0:
            partial.save(state, a_pass.micro_batch)
        saved_at = done

    for count in [count for count in counts if count >= saved_at]:
        windows = source.first(count)
        done = len(a_pass.windows)
        progress.windows(done, count, done * windows.seq_len)
        try:
            a_pass.extend(
                windows.windows[done:],
                progress=lambda seen, count=count: progress.windows(seen, count, seen * source.seq_len),  # type: ignore[misc]
                checkpoint=checkpoint,
            )
            profile = a_pass.profile(spectrum=options.spectrum or 0)
        except (TypeError, AttributeError, IndexError, KeyError, ValueError, AssertionError) as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise NotAuditableError(f"{subject}: unsupported architecture: its forward fails: {reason}") from error
        if a_pass.world.from_first(_is_converged(profile, options.tolerance)):
            break
    converged = None if options.tolerance is None else _is_converged(profile, options.tolerance)
    return FinishedPass(windows, profile, converged, notes)


def checkpoints(options: AuditOptions, available: int) -> Iterator[int]:
    """Numbers of windows after which the run may end: one, or with a tolerance 16, 32, 64 ... up to the maximum."""
    if options.tolerance is None:
        yield available if options.windows_file is not None else options.windows or DEFAULT_WINDOWS
        return
    most = min(options.max_windows or DEFAULT_MAX_WINDOWS, max(available, 1))
    count = FIRST_CHECKPOINT
    while count < most:
        yield count
        count *= 2
    yield most


def _is_converged(profile: Profile, tolerance: float | None) -> bool:
    """Whether every site's AOFE-ratio is known to within the tolerance."""
    if tolerance is None:
        return False
    intervals = [site.aofe_ratio_ci for site in profile.sites if site.trace != 0]
    return all(ends is not None and (ends[1] - ends[0]) / 2 <= tolerance for ends in intervals)


def _locked(a_pass: ProfilePass, partial: PartialResults) -> None:
    """The first process takes the lock; what keeps it from that ends all of them with the same line."""
    problem = None
    if a_pass.world.rank == 0:
        try:
            partial.lock.lock()
        except IncompleteError as error:
            problem = str(error)
    problem = a_pass.world.from_first(problem)
    if problem:
        raise IncompleteError(problem)


def _restored(
    a_pass: ProfilePass, source: WindowSource, counts: list[int], options: AuditOptions, partial: PartialResults
) -> list[str]:
    """Put the pass where the saved state is, if that is of use; returns notes on it."""
    state, note = None, None
    if a_pass.world.rank == 0 and options.resume:
        state, note = partial.load(list(a_pass.sums))
    state, note = a_pass.world.from_first((state, note))
    if state is not None and state.windows <= counts[-1]:
        a_pass.restore(state, source.first(state.windows).windows)
    elif state is not None:
        partial.smallest = state.windows + 1  # this run wants fewer windows; do not throw more away
    return [note] if note else []
