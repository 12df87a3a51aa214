"""What to read of a repository."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from shape_audit.hub.retrying import DEFAULT_RETRIES
from shape_audit.spec import Option, Spec


@dataclass(frozen=True)
class ReadOptions(Spec):
    """Which model inside a repository or folder, and how patiently to ask for it."""

    subfolder: Annotated[str | None, Option("Where the model lies inside its repository or folder.", panel="Model")] = (
        None
    )
    variant: Annotated[
        str | None, Option("Weight-file variant, e.g. fp16 for model.fp16.safetensors.", panel="Model")
    ] = None
    retries: Annotated[int, Option("Retries after a transient network error.", at_least=0, panel="Advanced")] = (
        DEFAULT_RETRIES
    )
