"""How much a pass takes, as it is estimated and as it is; and what happens where it was too much."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from shape_audit.interaction.estimators.sums import SiteSums
from shape_audit.interaction.width import WidthSums
from shape_audit.models.available_memory import available_ram
from shape_audit.models.memory_estimate import (
    DeviceMemory,
    ForwardPass,
    MemoryPlan,
    memory_advice,
    sums_memory,
    with_activations,
)
from shape_audit.records import Ledger, ModelShape
from tests.interaction.measured import SHORT, extended, random_windows, tiny_pass

LLAMA_1B = ModelShape(
    num_hidden_layers=16, hidden_size=2048, r_dw=16 / 2048, intermediate_size=8192, feed_forward_ratio=4,
    num_attention_heads=32, num_key_value_heads=8, head_dim=64, vocab_size=128256, max_position_embeddings=131072,
    tie_word_embeddings=True, is_dense=True, params_total=1_235_814_400, params_non_embedding=973_146_112,
    ledger=Ledger(embedding=262_668_288, unembedding=0, attention=0, feed_forward=973_146_112, norms=0, other=0),
    widths=None,
)  # fmt: skip
SMALL = LLAMA_1B.model_copy(update={"num_hidden_layers": 4, "hidden_size": 128, "intermediate_size": 384,
                                    "vocab_size": 256, "num_attention_heads": 4})  # fmt: skip


class OutOfMemoryAt:
    """Every so many-th addition of a micro-batch larger than `most` finds no memory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, most: int, every: int = 1) -> None:
        self.calls, self.add = 0, SiteSums.add
        self.most, self.every = most, every
        monkeypatch.setattr(SiteSums, "add", lambda sums, grad, first: self(sums, grad, first))

    def __call__(self, sums: SiteSums, grad: torch.Tensor, first: int) -> None:
        if len(grad) > self.most:
            self.calls += 1
            if self.calls % self.every == 0:
                raise torch.OutOfMemoryError("made up")
        self.add(sums, grad, first)


@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize("most", [1, 3])
def test_out_of_memory_halves_the_micro_batch_and_counts_nothing_twice(
    most: int, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error comes at the first, second or third site of the backward pass; later batches meet it too."""
    windows = random_windows(21, SHORT)
    plain = extended(tiny_pass("llama", batch=8), windows)
    with monkeypatch.context() as patched:
        out_of_memory = OutOfMemoryAt(patched, most=most, every=every)
        halved = extended(tiny_pass("llama", batch=8), windows)
    assert out_of_memory.calls and halved.micro_batch <= 4
    for site, sums in plain.sums.items():
        rows, other = sums.rows(), halved.sums[site].rows()
        assert rows.index_K.tolist() == other.index_K.tolist() == list(range(21))
        torch.testing.assert_close(halved.sums[site].agop_DD, sums.agop_DD, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(other.inner_K, rows.inner_K, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(halved.reduced()[1], plain.reduced()[1], rtol=1e-12, atol=0)


def test_out_of_memory_with_a_single_window_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    OutOfMemoryAt(monkeypatch, most=0)
    with pytest.raises(torch.OutOfMemoryError):
        extended(tiny_pass("llama", batch=8), random_windows(8, SHORT))


def test_the_micro_batch_is_what_is_sensible_and_fits() -> None:
    small = ForwardPass(SMALL, 64)
    assert small.sensible_micro_batch == 16  # the most there is
    large = {tokens: ForwardPass(LLAMA_1B, tokens).sensible_micro_batch for tokens in (128, 256, 1024)}
    assert large == {128: 8, 256: 4, 1024: 1}  # a thousand tokens
    assert ForwardPass(LLAMA_1B, 256, is_checkpointed=True).sensible_micro_batch == 2
    twice = replace(small, is_differentiated_twice=True).a_window
    assert twice.logits == small.a_window.logits and twice.block == pytest.approx(2 * small.a_window.block, abs=1)
    wide = LLAMA_1B.model_copy(update={"hidden_size": 8192, "intermediate_size": 28672})
    assert ForwardPass(wide, 256).sensible_micro_batch == 2  # as many as there is memory for
    of_one = small.a_window.logits + 4 * small.a_window.block
    tight = [DeviceMemory("cpu", weights=1000, available=1000 + 5 * of_one)]
    chosen, (memory,) = with_activations(tight, small, micro_batch=None)
    assert chosen == 5 and memory.total == memory.available and memory.fits
    chosen, (memory,) = with_activations(tight, small, micro_batch=6)
    assert chosen == 6 and not memory.fits and memory.lasting_fits
    chosen, (memory,) = with_activations([DeviceMemory("cpu", weights=9, available=8)], small, micro_batch=None)
    assert chosen == 1 and not memory.lasting_fits


def test_every_device_has_its_own_share_of_the_activations() -> None:
    lasting = [DeviceMemory(name, available=2**40) for name in ("cpu", "cuda:0", "cuda:1")] + [DeviceMemory("disk")]
    spread = ForwardPass(SMALL, 64, main_device="cuda:0", block_devices=("cuda:0", *3 * ("cuda:1",)))
    _, memories = with_activations(lasting, spread, micro_batch=2)
    a_window = spread.a_window
    expected = [0, 2 * (a_window.logits + a_window.block), 6 * a_window.block, 0]
    assert [memory.activations for memory in memories] == expected


def test_advice_is_what_has_not_been_done() -> None:
    def advice(memory: DeviceMemory, micro_batch: int = 1, **done: Any) -> str:
        plan = MemoryPlan("m", "float32", 256, micro_batch, False, (memory,))
        return memory_advice(plan, **({"device_map": None, "sites": "all"} | done))

    short = DeviceMemory("cpu", weights=10, activations=10, available=15)
    assert advice(short, 2) == (
        "a lower --micro-batch or --device-map disk or --sites embedding or a shorter --seq-len"
    )
    full = DeviceMemory("cpu", weights=10, available=5)
    assert advice(full, 2) == "--device-map disk or --sites embedding"
    assert advice(full, device_map="disk", sites="embedding") == "a machine with more memory"
    assert advice(DeviceMemory("cpu", weights=10, available=10)) == ""


@pytest.mark.parametrize("width", [24, 600])
def test_the_sums_are_as_large_as_they_are(width: int) -> None:
    sums = SiteSums.zeros(width, dtype=torch.float32, device=torch.device("cpu"))
    for first in range(0, 8, 4):
        sums.add(torch.randn(4, 9, width), first)
        sums.freeze()
    assert sums.reference_P is not None
    tensors = [sums.upper_P, sums.reference_P, *(tensor for rows in sums.kept for tensor in rows.tensors())]
    assert sums_memory(width, 8) == sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    of_width = WidthSums.zeros(width, torch.device("cpu")).tensors()
    matrices = sum(tensor.numel() * tensor.element_size() for name, tensor in of_width.items() if "moments" in name)
    assert sums_memory(width, 8, use=True) == sums_memory(width, 8) + matrices


def test_a_containers_limit_counts(tmp_path: Path) -> None:
    own = tmp_path / "own"
    assert available_ram(tmp_path, own) > 2**20
    (tmp_path / "memory.current").write_text("900\n")
    (tmp_path / "memory.stat").write_text("anon 100\ninactive_file 50\n")
    (tmp_path / "memory.max").write_text("1000\n")
    assert available_ram(tmp_path, own) == 150
    (tmp_path / "memory.max").write_text("max\n")
    assert available_ram(tmp_path, own) > 2**20
    for line, group, limit, used in (
        ("0::/jobs/7", tmp_path / "jobs/7", "memory.max", "memory.current"),
        ("4:cpu,memory:/jobs/8", tmp_path / "memory/jobs/8", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        group.mkdir(parents=True)
        own.write_text(f"9:pids:/\n{line}\n")
        for file, text in ((limit, "800"), (used, "700"), ("memory.stat", "inactive_file 20")):
            (group / file).write_text(text)
        assert available_ram(tmp_path, own) == 120


MEASURING = """
import sys
import torch
import shape_audit
from shape_audit.auditing.environment import peak_memory_bytes

torch.set_num_threads(1)
options = {"windows": 4, "seq_len": 128, "micro_batch": 4, "device": "cpu"}
plan = shape_audit.plan_memory(sys.argv[1], **options).devices[0]
shape_audit.audit(sys.argv[1], **options)
print(plan.process, plan.total, peak_memory_bytes())
"""


def test_the_plan_counts_the_whole_process_and_is_on_the_safe_side(tmp_path: Path) -> None:
    """A model of 30 million random parameters, in a process of its own: interpreter and libraries are most of it."""
    from transformers import LlamaConfig, LlamaForCausalLM

    from tests.tiny_models import save_tiny

    save_tiny(tmp_path, "llama")
    config = LlamaConfig(
        vocab_size=8192, hidden_size=512, intermediate_size=1408, num_hidden_layers=6, num_attention_heads=8,
        max_position_embeddings=256,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    done = subprocess.run([sys.executable, "-c", MEASURING, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    process, total, peak = map(int, done.stdout.split())
    print(process, total, peak, total / peak)
    assert 2e8 < process < peak < 1.05 * total  # the allocator is not the same everywhere: benchmarks have 1.0 to 1.3
    assert total < 1.5 * peak
