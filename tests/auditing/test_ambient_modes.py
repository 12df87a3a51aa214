"""A measurement in whatever state the process is: the same numbers, and the state as it was."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

import shape_audit
from shape_audit.records import AuditRecord
from tests.findings import findings
from tests.tiny_models import save_tiny

FEW = {"windows": 8, "seq_len": 16, "device": "cpu"}


@contextmanager
def default_dtype() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="module")
def plain(tiny_llama: Path) -> AuditRecord:
    return shape_audit.audit(tiny_llama, **FEW)


@pytest.mark.parametrize(
    "ambient",
    [
        torch.inference_mode,
        torch.no_grad,
        lambda: torch.autocast("cpu", torch.bfloat16),
        default_dtype,
        lambda: torch.device("meta"),
        lambda: sdpa_kernel(SDPBackend.MATH),
    ],
)
def test_ambient_modes_change_nothing(tiny_llama: Path, plain: AuditRecord, ambient: Callable[[], object]) -> None:
    with ambient():  # type: ignore[attr-defined]
        found = shape_audit.audit(tiny_llama, **FEW)
    assert findings(found) == findings(plain)


def test_two_threads(tiny_llama: Path, tmp_path: Path, plain: AuditRecord) -> None:
    other = save_tiny(tmp_path / "other", "gpt2")
    expected = [findings(plain), findings(shape_audit.audit(other, **FEW))]
    found: dict[int, str] = {}

    def audit(number: int, folder: Path) -> None:
        found[number] = findings(shape_audit.audit(folder, **FEW))

    threads = [threading.Thread(target=audit, args=(i, folder)) for i, folder in enumerate([tiny_llama, other] * 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found.get(i) for i in range(4)] == expected * 2
