"""How much memory a pass will take, from config and headers alone: weights, sums, and what a micro-batch needs.

A count on the safe side, since on a CPU too much memory is a SIGKILL: 1.0 to 1.3 times the peak of the shapes that
benchmarks/offload_memory.py measures. The one place that says how many windows a forward pass may hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from shape_audit.records import ModelShape

MEMORY_FOR_A_MICRO_BATCH = 1_400_000_000
"""Bytes one micro-batch may take, however much there is: more windows at once are hardly faster."""
ENOUGH_TOKENS = 1024
"""Of a micro-batch, by which it may take more: matrix products of fewer rows are slower (benchmarks/throughput.py)."""
MEMORY_FOR_ENOUGH_TOKENS = 8_000_000_000
"""Bytes it may then take. Not where weights are read from elsewhere: that is chosen for want of memory."""
MAX_MICRO_BATCH = 16
HEAP_SHARE = 1.3
"""What a micro-batch takes of memory, against its tensors: allocators keep pieces of what was freed."""
WORKING_BYTES = 2**27
"""Of a CPU pass: stacks, arenas and buffers of its threads, the text and its windows."""
ROW_NUMBERS = 7
"""Numbers kept of a window at a site beside its diagonal, see `window_rows`."""
STREAMED_AT_ONCE = 3
"""Blocks: the one at work, what it was read as, and its forerunner, which the allocator still holds."""
FROZEN_FROM = 4
"""Windows after which a copy of the sums is kept, see `error_bars`."""
WIDTH_MATRICES = 24
"""More of them where the use of the width is measured: three kinds, of eight folds, see `interaction.width`."""
TRIANGLE_ROWS = 256
"""An upper triangle is kept in strips of so many rows, see `interaction.estimators.upper_triangle`."""


@dataclass(frozen=True)
class WindowMemory:
    """Bytes that one more window in a micro-batch takes.

    Attributes:
        block: what a block keeps for the backward pass.
        boundary: what a checkpointed block keeps: its input.
        logits: logits, their log-softmax, their gradient, in float32.
    """

    block: int
    boundary: int
    logits: int

    def of_blocks(self, count: int, *, is_checkpointed: bool) -> int:
        """Of so many blocks on one device: checkpointed ones are recomputed one at a time."""
        if count == 0:
            return 0
        return count * self.boundary + self.block if is_checkpointed else count * self.block


@dataclass(frozen=True)
class ForwardPass:
    """What the memory of a forward pass and its backward depends on, beside the number of windows.

    Attributes:
        shape: of the model.
        seq_len: inputs of a window.
        element_bytes: of the pass's dtype. Norms, scores and logits are float32 or better whatever it is.
        is_checkpointed: whether blocks are computed a second time in the backward pass, instead of kept.
        is_fused: whether attention never has all scores in memory.
        is_differentiated_twice: whether the backward pass is differentiated as well.
        main_device: where the logits are.
        block_devices: where each block is computed; empty where all are on the main device.
    """

    shape: ModelShape
    seq_len: int
    element_bytes: int = 4
    is_checkpointed: bool = False
    is_fused: bool = False
    is_differentiated_twice: bool = False
    main_device: str = "cpu"
    block_devices: tuple[str, ...] = ()

    @property
    def a_window(self) -> WindowMemory:
        """What one window takes.

        A block keeps for its backward pass what was counted in blocks of GPT-2, Llama, Qwen3 and Gemma 2: 4
        feed-forward widths (gated or GELU; ReLU keeps one), queries and keys and values twice, two and a half exact
        copies of the stream around its norms. A backward pass that is differentiated itself keeps about as much again.
        The loss keeps logits, their log-softmax and their gradient. To all of it `HEAP_SHARE`.
        """
        shape, exact = self.shape, max(4, self.element_bytes)
        width, feed_forward = shape.hidden_size, shape.intermediate_size or 4 * shape.hidden_size
        heads = shape.num_attention_heads or 0
        queries = heads * shape.head_dim if shape.head_dim else width
        keys = (shape.num_key_value_heads or heads) * shape.head_dim if shape.head_dim else width
        kept = self.element_bytes * (4 * feed_forward + 2 * queries + 2 * keys) + exact * 5 * width // 2
        scores = 0 if self.is_fused else 2 * exact * heads * self.seq_len
        times = 2 if self.is_differentiated_twice else 1
        logits = 3 * exact + (self.element_bytes if self.element_bytes < exact else 0)
        return WindowMemory(
            block=int(HEAP_SHARE * self.seq_len * times * (kept + scores)),
            boundary=self.seq_len * self.element_bytes * width,
            logits=int(HEAP_SHARE * self.seq_len * logits * (shape.vocab_size or 0)),
        )

    @property
    def sensible_micro_batch(self) -> int:
        """Windows a forward should hold at once, where memory is no worry; at least one."""
        unfused = replace(self, is_fused=False).a_window  # a kernel decides speed, not which windows meet in a forward
        size = unfused.logits + unfused.of_blocks(self.shape.num_hidden_layers, is_checkpointed=self.is_checkpointed)
        enough = min(-(-ENOUGH_TOKENS // self.seq_len), 0 if self.is_checkpointed else MEMORY_FOR_ENOUGH_TOKENS // size)
        return max(1, min(max(MEMORY_FOR_A_MICRO_BATCH // size, enough), MAX_MICRO_BATCH))

    def a_window_on(self, device: str) -> int:
        """Bytes that one window takes of this device."""
        devices = self.block_devices or (self.main_device,) * self.shape.num_hidden_layers
        of_blocks = self.a_window.of_blocks(devices.count(device), is_checkpointed=self.is_checkpointed)
        return of_blocks + (self.a_window.logits if device == self.main_device else 0)


@dataclass(frozen=True)
class DeviceMemory:
    """What a pass takes of one memory, in bytes.

    Attributes:
        device: cpu, cuda:N, mps or disk.
        process: interpreter, libraries and whatever else the process holds there already, before any weights.
        weights: those that stay there; of the disk, those that are read from it for every micro-batch.
        streamed: the largest block that is brought there to be computed with, one at a time.
        sums: of sites, and rows of all windows.
        activations: of one micro-batch.
        loading: pages of weight files that are read into another form before the pass begins. They go where room is
            needed: they count in `total`, the most that the process will be seen to hold, and not in `needed`.
        available: what is free now, with what the process holds; None for the disk, which holds the weights already.
    """

    device: str
    process: int = 0
    weights: int = 0
    streamed: int = 0
    sums: int = 0
    activations: int = 0
    loading: int = 0
    available: int | None = None

    @property
    def lasting(self) -> int:
        """All that does not depend on the micro-batch."""
        return self.process + self.weights + STREAMED_AT_ONCE * self.streamed + self.sums

    @property
    def needed(self) -> int:
        """What there must be room for."""
        return self.lasting + self.activations

    @property
    def total(self) -> int:
        return max(self.needed, self.process + self.weights + self.loading)

    @property
    def fits(self) -> bool:
        return self.available is None or self.needed <= self.available

    @property
    def lasting_fits(self) -> bool:
        return self.available is None or self.lasting <= self.available


@dataclass(frozen=True)
class MemoryPlan:
    """What a pass would take, memory by memory.

    Attributes:
        model: its name.
        dtype: of the pass.
        seq_len: inputs of a window.
        micro_batch: windows a forward pass would hold: as many as the user says, else as are sensible and fit.
        is_checkpointed: whether blocks are computed a second time in the backward pass, instead of kept.
        devices: the memories in use, the disk last.
        advice: what would take less, where it does not fit; empty where it does.
    """

    model: str
    dtype: str
    seq_len: int
    micro_batch: int
    is_checkpointed: bool
    devices: tuple[DeviceMemory, ...]
    advice: str = ""

    @property
    def fits(self) -> bool:
        return all(memory.fits for memory in self.devices)

    @property
    def lasting_fits(self) -> bool:
        """Whether a smaller micro-batch would do where this one does not."""
        return all(memory.lasting_fits for memory in self.devices)


def sums_memory(width: int, windows: int, *, use: bool = False) -> int:
    """The sums of a site, float64: the upper triangle of a matrix, of another from the fifth window on, and rows.

    Args:
        use: whether the use of the width is measured as well; position 0 of the stream and above.
    """
    matrices = (2 if windows > FROZEN_FROM else 1) + (WIDTH_MATRICES if use else 0)
    entries = sum(min(TRIANGLE_ROWS, width - begin) * (width - begin) for begin in range(0, width, TRIANGLE_ROWS))
    return 8 * (matrices * entries + windows * (width + ROW_NUMBERS))


def with_activations(
    lasting: Iterable[DeviceMemory], forward: ForwardPass, *, micro_batch: int | None, windows: int = MAX_MICRO_BATCH
) -> tuple[int, tuple[DeviceMemory, ...]]:
    """The micro-batch, and the same memories with what it takes of each.

    Args:
        lasting: all else that they hold.
        micro_batch: the user's; None chooses what is sensible and fits.
        windows: how many there are in all.
    """
    each = {memory: forward.a_window_on(memory.device) for memory in lasting}
    if micro_batch is None:
        fitting = [
            (memory.available - memory.lasting) // size
            for memory, size in each.items()
            if memory.available is not None and size
        ]
        micro_batch = max(1, min([forward.sensible_micro_batch, windows, *fitting]))
    return micro_batch, tuple(replace(memory, activations=micro_batch * size) for memory, size in each.items())


def memory_advice(plan: MemoryPlan, *, device_map: str | None, sites: str) -> str:
    """What would take less memory, of what the user has not done yet; empty where it fits as it is."""
    if plan.fits:
        return ""
    ways = {
        "a lower --micro-batch": plan.lasting_fits and plan.micro_batch > 1,
        "--device-map disk": device_map != "disk",
        "--sites embedding": sites == "all",
        "a shorter --seq-len": plan.lasting_fits,
    }
    return " or ".join(way for way, helps in ways.items() if helps) or "a machine with more memory"
