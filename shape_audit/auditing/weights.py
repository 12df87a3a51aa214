"""The part of an audit that `--nfa` adds: the weights, and how they compare with the gradients that feed them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shape_audit.auditing.progress import Progress
from shape_audit.calibration import WindowSet
from shape_audit.errors import NonFiniteError, NotAuditableError
from shape_audit.hub import Checkpoint
from shape_audit.records import WeightInteraction

if TYPE_CHECKING:
    from shape_audit.models import LoadedModel

FEW_WINDOWS = 32
"""Below, noise can make a trained and a random model look alike."""


def compare_weights(
    checkpoint: Checkpoint,
    loaded: LoadedModel,
    windows: WindowSet,
    progress: Progress,
    *,
    micro_batch: int,
) -> tuple[list[WeightInteraction] | None, list[str]]:
    """Every matrix that reads the residual stream, and notes on what could not be said.

    The windows are run once more, and once for each re-initialised model. Loss gradients, whatever the protocol. The
    profile is measured by now: what fails here becomes a note, and takes nothing away from it.

    Returns:
        None where it is not known which matrices read the stream; without correlations where gradients cannot be read.
    """
    import torch

    from shape_audit.interaction import nfa_correlations, random_correlations, weight_energies, weight_interactions

    total = len(windows.windows)

    def show(done: int) -> None:
        progress.windows(done, total, done * windows.seq_len)

    def step(text: str) -> None:
        progress.step(text)
        show(0)

    progress.step("reading the interaction of the weights")
    try:
        energies = weight_energies(checkpoint, loaded=loaded)
    except NotAuditableError as error:
        return None, [f"--nfa: {error}"]
    step("comparing weights with gradients")
    try:
        trained = nfa_correlations(loaded.model, windows.windows, micro_batch=micro_batch, progress=show)
    except (NotAuditableError, NonFiniteError) as error:
        return weight_interactions(energies, {}, []), [f"--nfa: no correlations: {error}"]
    notes = []
    different = len({window.input_ids for window in windows.windows})
    if different < FEW_WINDOWS:
        notes.append(f"--nfa: correlations from {different} windows are rough, the random ones too; use at least 32")
    noisy = [name for name, correlation in trained.items() if correlation is None]
    if noisy:
        notes.append(f"--nfa: no correlation at {', '.join(noisy)}: the gradients there are below the noise floor")
    try:
        random = random_correlations(loaded, windows.windows, micro_batch=micro_batch, step=step, progress=show)
    except (NotAuditableError, NonFiniteError, MemoryError, torch.OutOfMemoryError) as error:
        reason = str(error).partition("\n")[0] or "out of memory"
        return weight_interactions(energies, trained, []), [*notes, f"--nfa: no re-initialised models: {reason}"]
    return weight_interactions(energies, trained, random), notes
