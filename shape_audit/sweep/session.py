"""What all models of a sweep share while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shape_audit.sweep.bytes_data import SweepText
from shape_audit.sweep.options import SweepOptions
from shape_audit.sweep.output_folder import OutputFolder
from shape_audit.sweep.progress import SweepProgress

if TYPE_CHECKING:
    from accelerate import Accelerator

    from shape_audit.parallel import SingleProcess


@dataclass(frozen=True)
class SweepSession:
    """What all models of a sweep share while it runs.

    Attributes:
        text: to train, validate and test on.
        folder: where models, states, records and the table go.
        accelerator: device and precision of the training.
        processes: those that share each training step and each measurement.
    """

    options: SweepOptions
    text: SweepText
    folder: OutputFolder
    accelerator: Accelerator
    processes: SingleProcess
    progress: SweepProgress
