"""Partial sums on disk: a run that was killed goes on where it last saved, and two runs do not get in each other's way.

One folder an audit, named by model revision and protocol hash: `state.safetensors` (the facts that must agree stand in
its metadata, so that one rename replaces all of it), and `lock`, which the operating system releases when its holder
dies.

Of several processes each saves its own sums, so that it goes on as if nothing had happened: the others first, in files
that carry the number of windows in their names; then the first, whose file says which of theirs belong to it. What
they saved before stays until then.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shape_audit.errors import IncompleteError
from shape_audit.records import FolderLock, write_bytes_atomically

if TYPE_CHECKING:
    from shape_audit.interaction import PassState, Site

STATE = "state.safetensors"
OTHERS = "state.{windows}.{rank}.safetensors"
DAMAGED = "state.damaged"
KEPT_BYTES = 2**28
"""A finished run's sums stay, for one with more windows to go on from, unless they are larger."""


class PartialResults:
    """What one process of an audit saves.

    Attributes:
        facts: what must be equal for a saved state to be used: settings of the run and versions of libraries.
        rank: of the process.
        lock: keeps other runs of this audit away.
        smallest: states of fewer windows are not worth saving.
    """

    smallest = 0

    def __init__(self, folder: Path, facts: Mapping[str, Any], rank: int = 0) -> None:
        self.folder, self.facts, self.rank = folder, dict(facts), rank
        self.lock = FolderLock(folder, what="this audit", option="--records")

    def _path(self, windows: int | None) -> Path:
        return self.folder / (STATE if self.rank == 0 else OTHERS.format(windows=windows, rank=self.rank))

    def load(self, sites: list[Site], windows: int | None = None) -> tuple[PassState | None, str | None]:
        """The saved state, and what the user should know: why there is none though there is a file.

        A file that cannot be read is set aside; one of another run's settings is not used.

        Args:
            windows: of the first process's state; that one need not say.
        """
        from safetensors import SafetensorError, safe_open

        from shape_audit.interaction import PassState

        path = self._path(windows)
        if not path.exists():
            return None, f"the partial results of process {self.rank} are missing; started over" if self.rank else None
        try:
            with safe_open(path, "pt") as stream:
                saved = json.loads((stream.metadata() or {})["saved"])
                difference = self._difference(saved["facts"])
                if difference:
                    return None, f"saved partial results were not used: {difference}"
                tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
            return PassState.restored(tensors, saved["numbers"], sites), None
        except (SafetensorError, OSError, ValueError, KeyError, TypeError):
            os.replace(path, self.folder / DAMAGED)
            return None, f"saved partial results were damaged; set aside as {self.folder / DAMAGED}, started over"

    def saved_windows(self) -> int | None:
        """How many windows are saved; None where there are none, or the file is damaged."""
        return self._saved(lambda saved: saved["numbers"]["windows"])

    def saved_micro_batch(self) -> int | None:
        """Windows per forward pass of the run that was saved; None where there is none, or its file is damaged."""
        return self._saved(lambda saved: saved["micro_batch"])

    def _saved(self, number: Callable[[Any], Any]) -> int | None:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.folder / STATE, "pt") as stream:
                saved = number(json.loads((stream.metadata() or {})["saved"]))
        except (SafetensorError, OSError, ValueError, KeyError, TypeError):
            return None
        return saved if type(saved) is int and saved > 0 else None

    def save(self, state: PassState, micro_batch: int) -> None:
        """Replace what was saved.

        Args:
            micro_batch: windows per forward pass, for whoever goes on.

        Raises:
            IncompleteError: the file cannot be written; what was saved before is still there.
        """
        from safetensors.torch import save

        saved = {"facts": self.facts, "numbers": state.numbers(), "micro_batch": micro_batch}
        path = self._path(state.windows)
        try:
            write_bytes_atomically(path, save(state.tensors(), metadata={"saved": json.dumps(saved)}))
        except OSError as error:
            reason = error.strerror or error
            raise IncompleteError(f"{path}: partial results could not be saved ({reason}); see --records") from error

    def forget_all_but(self, windows: int) -> None:
        """Remove what other processes have saved that the first one's file does not belong to any more."""
        for path in self.folder.glob(OTHERS.format(windows="*", rank="*")):
            if not path.match(OTHERS.format(windows=windows, rank="*")):
                path.unlink(missing_ok=True)

    def finish(self) -> None:
        """The run is through: let go of what is too large to keep, and of the lock."""
        path = self.folder / STATE
        if path.exists() and path.stat().st_size > KEPT_BYTES:
            path.unlink()
            self.forget_all_but(0)
        self.lock.unlock()

    def _difference(self, saved: Mapping[str, Any]) -> str | None:
        for name in {**saved, **self.facts}:
            if saved.get(name) != self.facts.get(name):
                return f"{name} was {saved.get(name)}, is {self.facts.get(name)}"
        return None
