"""What a fixed-budget sweep is going to train."""

from __future__ import annotations

from typing import Literal

from shape_audit.records.frozen import Frozen

Precision = Literal["float32", "bfloat16"]
"""Of the matrix products in training; weights, optimizer and every measurement are float32."""


class PlannedShape(Frozen):
    """One shape of one budget at one length, and what training it once takes."""

    target_params: int
    """The budget."""
    num_hidden_layers: int
    hidden_size: int
    intermediate_size: int
    num_attention_heads: int
    head_dim: int
    r_dw: float
    params: int
    """All parameters, embeddings too, tied ones once."""
    params_non_embedding: int
    miss: float
    """(params - target_params) / target_params."""
    learning_rate: float
    """The peak."""
    tokens_per_param: float
    """The length: bytes to predict for each parameter of the budget."""
    tokens: int
    """Bytes predicted in training: whole steps, the first number not below the budget's."""
    steps: int
    trained_steps: int
    """Those that no shorter length has done: all but the trunk up to where the length before leaves it."""
    flops: float
    """Of all steps, forward and backward: 6 N a token and attention on top; see `sweep.plan`."""
    seconds: float | None
    """Of `trained_steps`, estimated from a short trial on this machine; null where none was made."""


class LeftOutShape(Frozen):
    """A budget and a depth for which no width will do."""

    target_params: int
    num_hidden_layers: int
    reason: str


class SweepPlan(Frozen):
    """Everything a sweep will train. Each shape is trained once a seed and length."""

    family: str
    data: str
    tokens_per_param: list[float]
    """The lengths: one with a cosine, several with a trunk and decays."""
    seq_len: int
    batch: int
    """Windows a step, over all processes."""
    seeds: list[int]
    tolerance: float
    """How far a shape may miss its budget, as a fraction of it."""
    device: str | None
    precision: Precision | None
    """Null where no trial was made."""
    shapes: list[PlannedShape]
    left_out: list[LeftOutShape]
    flops: float
    """Of all models together, a trunk that lengths share counted once."""
    seconds: float | None
    """Of training all models one after the other, measuring them not counted."""
    notes: list[str]
