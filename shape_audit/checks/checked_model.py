"""All that rules may look at, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shape_audit.errors import CorruptFileError, NotAuditableError
from shape_audit.hub import Inspection, TensorHeader
from shape_audit.records import AuditRecord
from shape_audit.shape import BlockStack, ConfigFacts, TensorFacts, read_config, read_tensors, shape_of

if TYPE_CHECKING:
    from shape_audit.checks.architecture import Expected
    from shape_audit.checks.weight_scan import TensorNumbers
    from shape_audit.shape import ShapeReading


@dataclass(frozen=True)
class CheckedModel:
    """A model under check: its files, and what the options asked to have looked at besides.

    Attributes:
        expected: what transformers says of the tensors (--deep).
        numbers: of every tensor's values (--weights).
        hash_mismatches: file -> the sha256 its bytes have, where the Hub says another (--verify-hashes).
        record: of a measured audit (--measure, --record).
        not_finite: why that audit ended early, where a gradient was not finite.
    """

    files: Inspection
    expected: Expected | None = None
    numbers: Mapping[str, TensorNumbers] | None = None
    hash_mismatches: Mapping[str, str] | None = None
    record: AuditRecord | None = None
    not_finite: str | None = None

    @property
    def config(self) -> Mapping[str, Any]:
        """config.json; empty where it cannot be read, which is a finding of its own."""
        return self.files.config or {}

    @property
    def generation_config(self) -> Mapping[str, Any]:
        return self.files.documents.get("generation_config.json", {})

    @cached_property
    def tensors(self) -> dict[str, TensorHeader]:
        """Of the files transformers would load."""
        return self.files.tensors

    @cached_property
    def reading(self) -> ConfigFacts | str | None:
        """What the config promises; the reason where a field has an impossible value; None without a config."""
        if self.files.config is None:
            return None
        try:
            return read_config(self.config, self.files.documents)
        except CorruptFileError as error:
            return str(error).removeprefix("config.json: ")

    @property
    def facts(self) -> ConfigFacts | None:
        return None if isinstance(self.reading, str) else self.reading

    @cached_property
    def tensor_facts(self) -> TensorFacts | None:
        """What the tensors say by themselves; None where there are none."""
        return read_tensors(self.tensors, self.facts) if self.tensors else None

    @cached_property
    def shape(self) -> ShapeReading | None:
        """The model's shape; None where config and tensors do not tell it."""
        if self.facts is None or not self.tensors:
            return None
        try:
            return shape_of(self.files.repo_id, self.facts, self.tensors, self.tensor_facts)
        except (CorruptFileError, NotAuditableError):
            return None

    @cached_property
    def stack(self) -> BlockStack | None:
        """The decoder's blocks, tensor by tensor; None where there are none."""
        return self.tensor_facts.decoder if self.tensor_facts else None

    @property
    def is_quantized(self) -> bool:
        return self.facts is not None and self.facts.quantization is not None
