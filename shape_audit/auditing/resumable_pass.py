"""Running a pass to its end: to a number of windows or a tolerance, from partial results where there are some."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shape_audit.auditing.options import AuditOptions
from shape_audit.auditing.partial_results import PartialResults
from shape_audit.auditing.progress import Progress
from shape_audit.auditing.window_source import FIRST_CHECKPOINT, WindowSource
from shape_audit.calibration import WindowSet
from shape_audit.errors import IncompleteError

if TYPE_CHECKING:
    from shape_audit.interaction import Profile, ProfilePass


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


class ResumablePass:
    """One pass, and where its sums are saved on the way."""

    def __init__(
        self,
        a_pass: ProfilePass,
        source: WindowSource,
        options: AuditOptions,
        progress: Progress,
        partial: PartialResults | None,
    ) -> None:
        """
        Args:
            partial: where sums are saved on the way; None saves nothing.
        """
        self._pass, self._source, self._options = a_pass, source, options
        self._progress, self._partial = progress, partial
        self._saved_at = 0
        self._notes: list[str] = []

    def run(self) -> FinishedPass:
        """Measure until the windows asked for are in, or the tolerance is reached.

        Raises:
            IncompleteError, NotAuditableError: as `ProfilePass.extend` says; another run of this audit is at work.
        """
        if self._partial is None:
            return self._run([])
        self._lock(self._partial)
        try:
            finished = self._run(self._restored(self._partial))
            if self._pass.processes.is_first:
                self._partial.finish()
            return finished
        finally:
            self._partial.lock.unlock()

    def _run(self, notes: list[str]) -> FinishedPass:
        tolerance = self._options.text.tolerance
        self._saved_at = len(self._pass.windows)
        for count in [count for count in self._source.counts if count >= self._saved_at]:
            windows = self._source.first(count)
            done = len(self._pass.windows)
            self._show(done, count)
            self._pass.extend(
                windows.windows[done:],
                progress=lambda seen, count=count: self._show(seen, count),  # type: ignore[misc]
                checkpoint=self._save_if_due,
            )
            profile = self._pass.profile(spectrum=self._options.measure.spectrum or 0)
            if self._pass.processes.from_first(_is_converged(profile, tolerance)):
                break
        converged = None if tolerance is None else _is_converged(profile, tolerance)
        return FinishedPass(windows, profile, converged, [*notes, *self._notes])

    def _show(self, done: int, total: int) -> None:
        self._progress.windows(done, total, done * self._source.seq_len)

    def _save_if_due(self) -> None:
        done, partial = len(self._pass.windows), self._partial
        is_power = done >= FIRST_CHECKPOINT and done & (done - 1) == 0
        is_due = is_power or done - self._saved_at >= self._options.keep.save_every
        if partial is None or not is_due or done < partial.smallest:
            return
        problem = self._saved(partial)
        if problem is None:
            partial.forget_all_but(done)
        else:  # a full disk: what is measured is not lost for that
            self._notes = [f"{problem}; the run itself went on"]
        self._saved_at = done

    def _saved(self, partial: PartialResults) -> str | None:
        """Save what each process has, the first one last; returns on every process what kept one of them from it."""
        processes, problem = self._pass.processes, None
        for firsts_turn in (False, True):
            if problem is None and processes.is_first == firsts_turn:
                try:
                    partial.save(self._pass.state(), self._pass.micro_batch)
                except IncompleteError as error:
                    problem = str(error)
            problem = next(filter(None, processes.gathered(problem)), None)
        return problem

    def _lock(self, partial: PartialResults) -> None:
        """The first process takes the lock; what keeps it from that ends all of them with the same line."""
        problem = None
        if self._pass.processes.is_first:
            try:
                partial.lock.lock()
            except IncompleteError as error:
                problem = str(error)
        problem = self._pass.processes.from_first(problem)
        if problem:
            raise IncompleteError(problem)

    def _restored(self, partial: PartialResults) -> list[str]:
        """Put the pass where the saved state is, if that is of use; returns notes on it."""
        processes, state, note = self._pass.processes, None, None
        saved = processes.from_first(partial.saved_windows())
        if self._options.keep.resume and (saved is not None or processes.is_first):
            state, note = partial.load(list(self._pass.sums), saved)
        found = processes.gathered((state is not None, note))
        if state is not None and not all(has_state for has_state, _ in found):
            state = None  # all go on, or all start over
        if state is not None and state.windows <= self._source.counts[-1]:
            self._pass.restore(state, self._source.first(state.windows).windows)
        elif state is not None:
            partial.smallest = state.windows + 1  # this run wants fewer windows; do not throw more away
        return [note for _, note in found if note][:1]


def _is_converged(profile: Profile, tolerance: float | None) -> bool:
    """Whether every site's AOFE-ratio is known to within the tolerance."""
    if tolerance is None:
        return False
    intervals = [site.aofe_ratio_ci for site in profile.sites if site.trace != 0]
    return all(ends is not None and (ends[1] - ends[0]) / 2 <= tolerance for ends in intervals)
