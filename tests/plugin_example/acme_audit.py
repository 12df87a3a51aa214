"""What ACME adds to shape-audit: a rule of the house, a protocol that needs no targets, and the lab's own scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from shape_audit.checks import CheckedModel, Policy, Rule, Seen
from shape_audit.records import ModelShape, ScoreRecord

if TYPE_CHECKING:  # `check` and `scores` load this file too, and they do without torch
    from torch import Tensor, nn

    from shape_audit.interaction import MicroBatch, Site, SiteSums


def small_vocabulary(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """The vocabulary is smaller than the tokenizer that ACME's models share."""
    size = model.facts.vocab_size if model.facts else None
    if size is not None and size < 32_000:
        yield Seen(f"vocab_size is {size:,}, not the 32,000 of our tokenizer", place="vocab_size")


RULES = [
    Rule(
        "ACME001", "small-vocabulary", "warning", "headers",
        why="Our serving stack has one tokenizer for all models.",
        fix="Train with the shared tokenizer.",
        look=small_vocabulary,
    )
]  # fmt: skip


class EntropyGradient:
    """Gradients of the entropy of the predicted next token, summed over a window's positions."""

    name = "acme-entropy"
    attn_implementation = None
    parameters: Mapping[str, float | int | str] = {"version": 1}

    def widths(self, sites: tuple[Site, ...], shape: ModelShape) -> dict[Site, int]:
        """All sites that were chosen."""
        return dict.fromkeys(sites, shape.hidden_size)

    def add_micro_batch(
        self, model: nn.Module, blocks: list[nn.Module], batch: MicroBatch, sums: Mapping[Site, SiteSums]
    ) -> Tensor:
        """One backward pass from the entropies to every site."""
        from shape_audit.interaction import add_gradients

        def entropies(logits_BTV: Tensor, losses_B: Tensor) -> Tensor:
            log_p_BTV = logits_BTV.log_softmax(-1)
            return -(log_p_BTV.exp() * log_p_BTV).sum((1, 2))

        return add_gradients(model, blocks, batch, sums, entropies)


def scores(model: str, revision: str | None) -> Iterable[ScoreRecord]:
    """From the table on our wiki."""
    yield ScoreRecord(
        model=model, revision=revision, protocol="choice-0shot", value=0.25, stderr=0.01, n=12_032, is_limited=False,
        provider="published", source="ACME's wiki", date="2026-01-01",
    )  # fmt: skip
