"""The windows of an audit, as many as are asked for: fewer are always the first of more."""

from __future__ import annotations

from shape_audit.auditing.options import DEFAULT_SEQ_LEN, AuditOptions
from shape_audit.auditing.progress import Progress
from shape_audit.calibration import (
    CalibrationText,
    WindowSet,
    WindowTokenizer,
    cut_windows,
    load_tokenizer,
    read_text,
    replay_windows,
    slot_count,
)
from shape_audit.errors import IncompleteError, UsageError
from shape_audit.hub import Checkpoint, tokenizer_folder
from shape_audit.records import ModelShape


class WindowSource:
    """Windows cut from a text, or replayed from a file.

    Attributes:
        available: how many there can be.
        seq_len: inputs of each.
    """

    def __init__(self, checkpoint: Checkpoint, shape: ModelShape, options: AuditOptions, progress: Progress) -> None:
        """Read the text or file, and the tokenizer.

        Raises:
            UsageError: seq_len beyond the model's positions, windows of another tokenizer.
            IncompleteError: as `read_text`, `load_tokenizer` and `replay_windows` say.
        """
        self._subject, self._shape, self._options = checkpoint.repo_id, shape, options
        self._text: CalibrationText | None = None
        self._replayed: WindowSet | None = None
        if options.windows_file is None:
            self._text = read_text(
                options.dataset, column=options.text_column, split=options.split, retries=options.retries
            )
        progress.step("reading the tokenizer")
        self._tokenizer: WindowTokenizer = load_tokenizer(tokenizer_folder(checkpoint), checkpoint.repo_id)
        progress.step("cutting windows")
        if options.windows_file is not None:
            self._replayed = replay_windows(options.windows_file, self._tokenizer, vocab_size=shape.vocab_size)
            self.seq_len, self.available = self._replayed.seq_len, len(self._replayed.windows)
            if options.seq_len not in (None, self.seq_len):
                raise UsageError(f"{options.windows_file}: its windows have {self.seq_len} inputs; leave out --seq-len")
            check_positions(checkpoint.repo_id, shape, self.seq_len)
        else:
            assert self._text is not None
            self.seq_len = options.seq_len or DEFAULT_SEQ_LEN
            self.available = slot_count(self._text, seq_len=self.seq_len, passage_bytes=options.passage_bytes)

    def first(self, count: int) -> WindowSet:
        """The first `count` windows.

        Raises:
            IncompleteError: too little text, or ids that the model's vocabulary does not have.
        """
        if self._replayed is not None:
            return self._replayed.first(count)
        assert self._text is not None
        windows = cut_windows(
            self._text,
            self._tokenizer,
            windows=count,
            seq_len=self.seq_len,
            passage_bytes=self._options.passage_bytes,
            seed=self._options.seed,
        )
        largest = max(max(window.input_ids) for window in windows.windows)
        if self._shape.vocab_size is not None and largest >= self._shape.vocab_size:
            raise IncompleteError(
                f"{self._subject}: its tokenizer gives id {largest}, its vocabulary has {self._shape.vocab_size}: "
                "they do not belong together"
            )
        return windows


def check_positions(subject: str, shape: ModelShape, seq_len: int) -> None:
    """Refuse windows longer than the model has positions for.

    Raises:
        UsageError: they are.
    """
    positions = shape.max_position_embeddings
    if positions is not None and seq_len > positions:
        raise UsageError(f"{subject}: --seq-len {seq_len} is beyond the model's {positions} positions")
