"""Partial sums on disk: a run that was killed goes on where it last saved, and two runs do not get in each other's way.

One folder an audit, named by model revision and protocol hash: `state.safetensors` (the facts that must agree stand in
its metadata, so that one rename replaces all of it, and with them a hash of all there is), and `lock`, which the
operating system releases when its holder dies.

Of several processes each saves its own sums, so that it goes on as if nothing had happened: the others first, in files
that carry the number of windows in their names; then the first, whose file says which of theirs belong to it. What
they saved before stays until then.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shape_audit.auditing.environment import installed_versions
from shape_audit.auditing.options import AuditOptions
from shape_audit.auditing.subject import Subject
from shape_audit.errors import IncompleteError
from shape_audit.parallel import SingleProcess
from shape_audit.records import FolderLock, ref_file_name, write_bytes_atomically

if TYPE_CHECKING:
    from torch import Tensor

    from shape_audit.interaction import PassState, Site
    from shape_audit.models import LoadedModel

STATE = "state.safetensors"
OTHERS = "state.{windows}.{rank}.safetensors"
DAMAGED = "state.damaged"
KEPT_BYTES = 2**28
"""A finished run's sums stay, for one with more windows to go on from, unless they are larger."""


class PartialResults:
    """What one process of an audit saves.

    Attributes:
        facts: what must be equal for a saved state to be used: settings of the run and versions of libraries.
        rank, size: of the process, and how many there are.
        lock: keeps other runs of this audit away.
        smallest: states of fewer windows are not worth saving.
    """

    smallest = 0

    def __init__(self, folder: Path, facts: Mapping[str, Any], rank: int = 0, size: int = 1) -> None:
        self.folder, self.facts, self.rank, self.size = folder, dict(facts), rank, size
        self.lock = FolderLock(folder, what="this audit", option="--records")

    def _path(self, windows: int | None) -> Path:
        return self.folder / (STATE if self.rank == 0 else OTHERS.format(windows=windows, rank=self.rank))

    def load(self, widths: Mapping[Site, int], windows: int | None = None) -> tuple[PassState | None, str | None]:
        """The saved state, and what the user should know: why there is none though there is a file.

        A file that cannot be read, or is not as it was saved, is set aside; one of another run's settings is not used.

        Args:
            widths: of the sites that are measured, in channels.
            windows: of the first process's state; that one need not say.
        """
        from safetensors import SafetensorError, safe_open

        from shape_audit.interaction import PassState

        path = self._path(windows)
        if not os.path.lexists(path):
            return None, f"the partial results of process {self.rank} are missing; started over" if self.rank else None
        try:
            if not path.is_file():  # a pipe would never end
                raise OSError(f"{path}: not a regular file")
            with safe_open(path, "pt") as stream:
                saved = json.loads((stream.metadata() or {})["saved"])
                difference = self._difference(saved["facts"])
                if difference:
                    return None, f"saved partial results were not used: {difference}"
                tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
            if saved["sha256"] != _sha256(tensors, saved["facts"], saved["numbers"]):
                raise ValueError("changed since it was saved")
            return PassState.restored(tensors, saved["numbers"], widths), None
        except (SafetensorError, OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
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

        if not (self.folder / STATE).is_file():
            return None
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

        tensors, numbers = state.tensors(), state.numbers()
        saved = {"facts": self.facts, "numbers": numbers, "micro_batch": micro_batch,
                 "sha256": _sha256(tensors, self.facts, numbers)}  # fmt: skip
        path = self._path(state.windows)
        try:
            write_bytes_atomically(path, save(tensors, metadata={"saved": json.dumps(saved)}))
        except OSError as error:
            reason = error.strerror or error
            raise IncompleteError(f"{path}: partial results could not be saved ({reason}); see --records") from error

    def forget_all_but(self, windows: int) -> None:
        """Remove what does not belong to the first process's file any more: of this process, as others may have saved
        more meanwhile. The first one has none, and removes what a run of more processes has left."""
        others = {str(rank) for rank in range(self.size) if rank != self.rank}
        for path in self.folder.glob(OTHERS.format(windows="*", rank="*" if self.rank == 0 else self.rank)):
            if path.name.split(".")[2] not in others and not path.match(OTHERS.format(windows=windows, rank="*")):
                path.unlink(missing_ok=True)

    def finish(self) -> None:
        """The run is through: let go of what is too large to keep, and of the lock."""
        path = self.folder / STATE
        if path.is_file() and path.stat().st_size > KEPT_BYTES:
            path.unlink()
            for other in self.folder.glob(OTHERS.format(windows="*", rank="*")):
                other.unlink(missing_ok=True)
        self.lock.unlock()

    def _difference(self, saved: Mapping[str, Any]) -> str | None:
        for name in {**saved, **self.facts}:
            if saved.get(name) != self.facts.get(name):
                return f"{name} was {saved.get(name)}, is {self.facts.get(name)}"
        return None


def _sha256(tensors: Mapping[str, Tensor], facts: Mapping[str, Any], numbers: Mapping[str, int]) -> str:
    """Hash of everything that a run which goes on from a state takes from it."""
    digest = hashlib.sha256(json.dumps([facts, numbers], sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()


def partial_results(
    subject: Subject, loaded: LoadedModel, options: AuditOptions, hashed: str, processes: SingleProcess
) -> PartialResults | None:
    """Where sums of this audit are saved on the way, and what must be equal for them to be used again."""
    if options.keep.partial is None:
        return None
    import torch

    from shape_audit import __version__

    facts = {
        "micro-batch": options.load.micro_batch or "chosen by memory",
        "processes": processes.size,
        "--use": options.measure.use,
        "device": loaded.device_name,
        "threads": torch.get_num_threads(),
        "shape-audit": __version__,
        **installed_versions(),
    }
    # a run with a tolerance stops where its own checkpoints are
    tolerance = f"__t{options.text.tolerance:g}" if options.text.tolerance is not None else ""
    stored = subject.stored
    name = f"{ref_file_name(stored.ref)}__{stored.revision[:12]}__{hashed[:12]}{tolerance}"
    return PartialResults(options.keep.partial / name, facts, processes.rank, processes.size)
