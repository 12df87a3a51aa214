"""Everything a leaderboard's build can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from shape_audit.cluster import ClusterOptions
from shape_audit.errors import UsageError
from shape_audit.hub import DEFAULT_RETRIES
from shape_audit.models import Device
from shape_audit.spec import Option, Spec


@dataclass(frozen=True)
class BuildOptions(Spec):
    """How to build."""

    measure: Annotated[
        bool,
        Option(
            "Also measure gradient-space interaction, as the manifest says, where no record has it.",
            panel="Measurement",
        ),
    ] = False
    jobs: Annotated[
        int,
        Option(
            "Models audited at a time, each in a process of its own where they are measured.",
            at_least=1,
            panel="Hardware",
        ),
    ] = 1
    shard: Annotated[
        str | tuple[int, ...] | None,
        Option("Audit only the I-th of K shares of the models, for job arrays.", metavar="I/K", panel="Hardware"),
    ] = None
    keep_going: Annotated[
        bool,
        Option(
            "Continue with the other models where one fails.", flags=("--keep-going/--fail-fast",), panel="Advanced"
        ),
    ] = True
    strict: Annotated[bool, Option("Exit with 2 if a result file cannot be used.", panel="Advanced")] = False
    device: Annotated[Device, Option("Where to measure.", panel="Hardware")] = "auto"
    retries: Annotated[int, Option("Retries after a transient network error.", at_least=0, panel="Advanced")] = (
        DEFAULT_RETRIES
    )
    cluster: ClusterOptions = field(default_factory=ClusterOptions)

    @property
    def share(self) -> tuple[int, int]:
        """(I, K): which share of the models is audited."""
        if self.shard is None:
            return (1, 1)
        return parse_shard(self.shard if isinstance(self.shard, str) else "/".join(map(str, self.shard)))

    def check(self) -> None:
        self.share  # noqa: B018 (refuses what is none)
        if self.cluster.uses_ray and not self.measure:
            raise UsageError("--engine ray is for measuring: add --measure, or leave it out and see --jobs")
        if self.cluster.uses_ray and self.jobs > 1:
            raise UsageError("--jobs is for this machine's processes; with --engine ray the cluster's room decides")


def parse_shard(text: str) -> tuple[int, int]:
    """`2/8`: the second of eight shares.

    Raises:
        UsageError: it is no such thing.
    """
    share, slash, shares = text.partition("/")
    if not (slash and share.isdigit() and shares.isdigit() and 1 <= int(share) <= int(shares)):
        raise UsageError(f"--shard {text}: it must be I/K with I from 1 to K, as 2/8")
    return int(share), int(shares)
