"""All that rules may look at, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shape_audit.checks.least_parameters import LEAST_SHARE, LEAST_SHARE_NOT_DENSE, least_parameters
from shape_audit.checks.subjects import LOST_FILES
from shape_audit.checks.token_ids import token_ids
from shape_audit.checks.wrapper_names import Wrapper, leftovers_in, outer_wrappers, wrappers_in
from shape_audit.errors import CorruptFileError, NotAuditableError
from shape_audit.hub import CONFIG_FILE, Inspection, TensorHeader
from shape_audit.records import AuditRecord
from shape_audit.shape import (
    BlockStack,
    ConfigFacts,
    TensorFacts,
    block_kinds,
    block_stacks,
    like_blocks,
    non_dense_reason,
    read_config,
    read_tensors,
    role_of,
    shape_of,
    text_part,
)

LONG_STACK = 6
"""Modules of a numbered list that are taken for blocks of one kind; shorter lists may be the steps of a sequence."""

if TYPE_CHECKING:
    from shape_audit.checks.architecture import Expected
    from shape_audit.checks.executables.scan import Executables
    from shape_audit.checks.weight_scan import TensorNumbers
    from shape_audit.shape import ShapeReading


@dataclass(frozen=True)
class CheckedModel:
    """A model under check: its files, and what the options asked to have looked at besides.

    Attributes:
        expected: what transformers says of the tensors (--deep); None where it was not asked, or could not be.
        numbers: of every tensor's values (--weights).
        hash_mismatches: file -> the hash its bytes have, where the Hub says another (--verify-hashes).
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
        """Of the files transformers would load, those without elements left out: they are a fault of their own."""
        return {name: header for name, header in self.files.tensors.items() if header.numel}

    @cached_property
    def empty_tensors(self) -> tuple[str, ...]:
        """Names of tensors without elements."""
        return tuple(name for name, header in self.files.tensors.items() if not header.numel)

    @cached_property
    def wrappers(self) -> list[Wrapper]:
        """What training wrappers added to the names."""
        found = wrappers_in(self.files.tensors, self.config)
        facts = self.facts
        if facts and facts.is_known_type and facts.is_causal_lm and not self.config.get("auto_map"):
            of_text_alone = facts.model_type == facts.text_model_type
            left = {name for _, names in leftovers_in(self.files.tensors, self.config) for name in names}
            own = [name for name in self.files.tensors if name not in left]
            outer = outer_wrappers(own, of_text_alone=of_text_alone)
            found += outer if not any(wrapper.is_first for wrapper in found) else []
        return found

    @property
    def leftovers(self) -> list[tuple[str, tuple[str, ...]]]:
        """What training left beside the model: what it is, and the names."""
        return list(leftovers_in(self.tensors, self.config))

    @cached_property
    def wrapped_names(self) -> frozenset[str]:
        return frozenset(name for wrapper in self.wrappers for name in wrapper.names)

    def anchor(self, tensor: str) -> str:
        """The file a finding about a tensor belongs to; the first weight file where the tensor is missing."""
        return self.files.file_of(tensor) or next(iter(self.files.weight_files), CONFIG_FILE)

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
    def executables(self) -> Executables:
        """What in the files' bytes would run code, and what was not looked into."""
        from shape_audit.checks.executables.scan import executables_in  # brings what unpacks archives

        return executables_in(self.files)

    @cached_property
    def token_ids(self) -> dict[str, dict[str, int]]:
        """File of the tokenizer -> its tokens and their ids."""
        return token_ids(self.files)

    @cached_property
    def shape(self) -> ShapeReading | None:
        """The model's shape; None where config and tensors do not tell it."""
        if self.facts is None or not self.tensors:
            return None
        try:
            return shape_of(self.files.repo_id, self.facts, self.tensors, self.tensor_facts)
        except (CorruptFileError, NotAuditableError):
            return None

    @property
    def stack(self) -> BlockStack | None:
        """The decoder's blocks, tensor by tensor; None where there are none."""
        return self.tensor_facts.decoder if self.tensor_facts else None

    @cached_property
    def alike(self) -> list[BlockStack]:
        """The decoder's blocks by kind: those that should have the same tensors."""
        if self.stack is None:
            return []
        kinds, stored = self.facts.block_kinds if self.facts else None, max(self.stack.blocks) + 1
        if self.facts and self.facts.num_hidden_layers != stored:  # lists by layer fit the blocks that there are
            kinds = block_kinds(self.text_config, stored, self.facts.text_model_type)
        return like_blocks(kinds, self.stack)

    @property
    def is_dense(self) -> bool:
        """Whether neither config nor tensors speak of experts, or of mixers other than attention."""
        return non_dense_reason(self.facts, self.tensor_facts) is None

    @property
    def may_mix_kinds(self) -> bool:
        """Whether there may be kinds of blocks that nobody has told apart."""
        return not self.is_dense

    @property
    def text_config(self) -> Mapping[str, Any]:
        """The part of the config that describes the text model."""
        return text_part(self.config)[0]

    @property
    def is_compared(self) -> bool:
        """Whether transformers has said which tensors there should be."""
        return self.expected is not None and self.expected.refusal is None

    @cached_property
    def other_stacks(self) -> list[BlockStack]:
        """Numbered lists of modules beside the decoder's, long enough to compare: of encoders, towers, other cycles."""
        if self.stack is None or self.tensor_facts is None or self.tensor_facts.stacks < 2:
            return []
        own = {self.stack.prefix, *(place.rpartition(".")[0] for place in self.stack.places.values())}
        rest = {name: header for name, header in self.tensors.items() if name not in self.tensor_facts.mtp_tensors}
        return [s for s in block_stacks(rest) if s.prefix not in own and len(s.blocks) >= LONG_STACK]

    @property
    def stack_lengths(self) -> set[int]:
        """How many blocks each numbered list of modules has: of an encoder and a decoder, those of both."""
        return {max(stack.blocks) + 1 for stack in block_stacks(self.tensors)}

    @property
    def lacks_final_norm(self) -> bool:
        """Whether blocks of a known decoder begin with RMS norms, and no norm stands outside of the blocks.

        Layer norms (those with a bias) may stand after each part, and then none is needed at the end (OPT-350m).
        """
        if not (self.stack and self.facts and self.facts.is_known_type and self.facts.is_causal_lm):
            return False
        norms = {name for name in self.tensors if role_of(name) == "norms"}
        in_blocks = {self.stack.name_of(i, rest) for i, block in self.stack.blocks.items() for rest in block} & norms
        return bool(in_blocks) and in_blocks == norms and not any(name.endswith(".bias") for name in norms)

    @cached_property
    def almost_empty(self) -> tuple[int, int | None] | None:
        """Parameters stored, and those that the config's sizes call for at least (as far as these are known), where
        that is far more, or not one of those stored is in a matrix."""
        if self.facts is None or self.is_quantized or self.empty_tensors or self.absent_files or not self.tensors:
            return None
        least = least_parameters(self.facts, len(self.stack.blocks) if self.stack else 0)
        stored = sum(header.numel for header in self.tensors.values())
        if all(len(header.shape) < 2 for header in self.tensors.values()):
            return stored, least
        share = LEAST_SHARE if self.is_dense and not self.facts.absent_blocks else LEAST_SHARE_NOT_DENSE
        return (stored, least) if least is not None and stored < share * least else None

    @property
    def absent_files(self) -> bool:
        """Whether weight files are missing or damaged, which explains missing tensors."""
        promised = {*self.files.weight_map.values(), *self.files.weight_files}
        return not promised <= set(self.files.headers)

    @property
    def lost_with_files(self) -> tuple[str, ...]:
        """What a finding about missing tensors is about, where their file may be what is missing."""
        return (LOST_FILES,) if self.absent_files else ()

    @property
    def is_quantized(self) -> bool:
        stored = self.tensor_facts is not None and self.tensor_facts.stored.quantized > 0
        return stored or (self.facts is not None and self.facts.quantization is not None)
