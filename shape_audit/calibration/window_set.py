"""What calibration hands on: windows of token ids, and the facts about where they came from."""

from __future__ import annotations

from dataclasses import dataclass

from shape_audit.records import Calibration


@dataclass(frozen=True)
class Window:
    """One window: the independent unit of every statistic.

    Attributes:
        index: number of the window in the audit's order.
        byte_offsets: [begin, end) of the text that the targets stand for, in bytes of the calibration text, which may
            lie inside of a character; None where the tokenizer does not let know.
        input_ids: seq_len + 1 ids: seq_len inputs, and one more that is only a target.
        unknown: characters of the text that the tokenizer has no token for, left out or not; not kept in windows files.
    """

    index: int
    byte_offsets: tuple[int, int] | None
    input_ids: tuple[int, ...]
    unknown: int = 0


@dataclass(frozen=True)
class WindowSet:
    """The windows of an audit, all of one length, with the record part that describes them."""

    windows: tuple[Window, ...]
    facts: Calibration

    @property
    def seq_len(self) -> int:
        """Inputs of each window (BOS included)."""
        return self.facts.seq_len

    def first(self, count: int) -> WindowSet:
        """The first windows of these, with the facts that are theirs."""
        windows = self.windows[:count]
        changed = {
            "windows": len(windows),
            "tokens": len(windows) * self.seq_len,
            "bytes": covered_bytes(windows),
        }
        return WindowSet(windows=windows, facts=self.facts.model_copy(update=changed))


def covered_bytes(windows: tuple[Window, ...]) -> int | None:
    """UTF-8 bytes that the targets of all windows cover, or None where one of them does not say."""
    total = 0
    for window in windows:
        if window.byte_offsets is None:
            return None
        begin, end = window.byte_offsets
        total += end - begin
    return total
