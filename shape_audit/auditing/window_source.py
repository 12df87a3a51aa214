"""The windows of an audit, as many as are asked for: fewer are always the first of more."""

from __future__ import annotations

from collections.abc import Iterator

from shape_audit.auditing.options import AuditOptions
from shape_audit.auditing.progress import Progress
from shape_audit.auditing.subject import Subject
from shape_audit.calibration import (
    CalibrationText,
    WindowCutter,
    WindowOptions,
    WindowSet,
    WindowTokenizer,
    load_tokenizer,
    read_text,
    replay_windows,
    slot_count,
)
from shape_audit.errors import IncompleteError, UsageError
from shape_audit.hub import tokenizer_folder

FIRST_CHECKPOINT = 16
"""Windows after which a run with a tolerance first looks at its intervals, and any run first saves its sums."""


class WindowSource:
    """Windows cut from a text, or replayed from a file.

    Attributes:
        seq_len: inputs of each.
        counts: numbers of windows after which the pass may end: one, or with a tolerance 16, 32, 64 ... up to the
            most there may be.
    """

    def __init__(
        self, subject: Subject, options: AuditOptions, progress: Progress, tokenizer: WindowTokenizer | None = None
    ) -> None:
        """Read the text or file, and the tokenizer.

        Args:
            tokenizer: of a model in memory; None for that of the checkpoint.

        Raises:
            UsageError: seq_len beyond the model's positions, windows of another tokenizer.
            IncompleteError: as `read_text`, `load_tokenizer` and `replay_windows` say.
        """
        self.subject, self._wanted = subject, options.text
        self._cutter: WindowCutter | None = None
        self._replayed: WindowSet | None = None
        text: CalibrationText | None = None
        if self._wanted.windows_file is None:
            text = read_text(
                self._wanted.dataset, column=self._wanted.text_column, split=self._wanted.split,
                retries=options.read.retries,
            )  # fmt: skip
        progress.step("reading the tokenizer")
        self._tokenizer = tokenizer or load_tokenizer(tokenizer_folder(subject.stored), subject.name)
        progress.step("cutting windows")
        if self._wanted.windows_file is not None:
            file, vocab_size = self._wanted.windows_file, subject.shape.vocab_size
            self._replayed = replay_windows(file, self._tokenizer, vocab_size=vocab_size)
            self.seq_len, available = self._replayed.seq_len, len(self._replayed.windows)
            if self._wanted.seq_len not in (None, self.seq_len):
                raise UsageError(f"{file}: its windows have {self.seq_len} inputs; leave out --seq-len")
            check_positions(subject, self.seq_len)
        else:
            assert text is not None
            self.seq_len, passage_bytes = self._wanted.length, self._wanted.passage_bytes
            self._cutter = WindowCutter(text, self._tokenizer, self.seq_len, passage_bytes, self._wanted.seed)
            available = slot_count(text, seq_len=self.seq_len, passage_bytes=passage_bytes)
        self.counts = tuple(_counts(self._wanted, available))

    def first(self, count: int) -> WindowSet:
        """The first `count` windows.

        Raises:
            IncompleteError: too little text, or ids that the model's vocabulary does not have.
        """
        if self._replayed is not None:
            return self._replayed.first(count)
        assert self._cutter is not None
        windows = self._cutter.first(count)
        largest = max(max(window.input_ids) for window in windows.windows)
        vocab_size = self.subject.shape.vocab_size
        if vocab_size is not None and largest >= vocab_size:
            raise IncompleteError(
                f"{self.subject.name}: its tokenizer gives id {largest}, its vocabulary has {vocab_size}: "
                "they do not belong together"
            )
        return windows


def _counts(wanted: WindowOptions, available: int) -> Iterator[int]:
    if wanted.tolerance is None:
        yield available if wanted.windows_file is not None else wanted.most
        return
    most = min(wanted.most, max(available, 1))
    count = FIRST_CHECKPOINT
    while count < most:
        yield count
        count *= 2
    yield most


def check_positions(subject: Subject, seq_len: int) -> None:
    """Refuse windows longer than the model has positions for.

    Raises:
        UsageError: they are.
    """
    positions = subject.shape.max_position_embeddings
    if positions is not None and seq_len > positions:
        raise UsageError(f"{subject.name}: --seq-len {seq_len} is beyond the model's {positions} positions")
