"""Everything an audit can be told: a spec for each room that takes part, and what must hold between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from shape_audit.calibration import WindowOptions
from shape_audit.errors import UsageError
from shape_audit.hub import ReadOptions
from shape_audit.interaction import MeasureOptions
from shape_audit.models import LoadOptions
from shape_audit.places import Place
from shape_audit.scores import KnownScoresOptions, ScoreOptions
from shape_audit.spec import Option, Spec
from shape_audit.yardsticks import DEFAULT_YARDSTICK


@dataclass(frozen=True)
class KeepOptions(Spec):
    """Where results go, and what is kept on the way to them. A folder that is None keeps nothing."""

    records: Annotated[
        Place | None,
        Option(
            "Record folder, here or by URL: hf://datasets/org/name/records, s3://, gs://.",
            metavar="DIR|URL",
            default="in the Hub's assets cache",
            panel="Output",
        ),
    ] = None
    resume: Annotated[bool, Option("Resume an interrupted run.", panel="Advanced")] = True
    save_every: Annotated[int, Option("Windows after which partial sums are saved.", at_least=1, panel="Advanced")] = 32
    partial: Annotated[
        Path | None, Option("Folder for partial sums, from which an interrupted run resumes.", python_only=True)
    ] = None


@dataclass(frozen=True)
class AuditOptions(Spec):
    """How to audit; equal options on equal inputs give equal numbers.

    `AuditOptions.of(windows=32, dtype="float32")` takes any option by its name, whichever spec it stands in.

    Attributes:
        score: run MMLU-Pro with lm-eval too, with these options; None runs nothing.
    """

    shape_only: Annotated[bool, Option("Read config and tensor headers only: no torch, no weights.", panel="Model")] = (
        False
    )
    interval: Annotated[
        Path | None,
        Option("Interval (JSON) to place against, instead of the shipped one.", metavar="FILE", panel="Model"),
    ] = None
    yardstick: Annotated[
        tuple[str, ...],
        Option(
            "What the shape's cost is worked out from: gemstones, morph, byte-sweep, a sweep's table; or several.",
            metavar="NAME|FILE,...",
            panel="Model",
        ),
    ] = (DEFAULT_YARDSTICK,)
    read: ReadOptions = field(default_factory=ReadOptions)
    text: WindowOptions = field(default_factory=WindowOptions)
    measure: MeasureOptions = field(default_factory=MeasureOptions)
    load: LoadOptions = field(default_factory=LoadOptions)
    known: KnownScoresOptions = field(default_factory=KnownScoresOptions)
    keep: KeepOptions = field(default_factory=KeepOptions)
    score: ScoreOptions | None = field(default=None)

    def check(self) -> None:
        is_projected = self.measure.protocol == "projected-output"
        if is_projected and self.load.attn_implementation == "sdpa":
            raise UsageError("--protocol projected-output needs eager attention: sdpa cannot be differentiated twice")
        if is_projected and self.load.device_map is not None:
            raise UsageError("--protocol projected-output needs all weights on one device; leave out --device-map")
        if self.load.device_map is not None and self.measure.nfa:
            raise UsageError(
                "--nfa needs the model and a re-initialised one in memory; leave out --device-map or --nfa"
            )
        measured = (
            self.text.windows_file,
            self.text.save_windows,
            self.text.tolerance,
            self.measure.spectrum,
            self.measure.nfa,
            self.measure.skip,
            self.measure.use,
            self.measure.sites != "all",
            self.load.device_map,
        )
        if self.shape_only and any(measured):
            raise UsageError(
                "--shape-only measures nothing; leave out --windows-file, --save-windows, --tolerance, --spectrum, "
                "--nfa, --skip, --use, --sites and --device-map"
            )
