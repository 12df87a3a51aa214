"""A measurement's own conditions, whatever the process around it has set: they are put back afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

ATTENTION = [
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
    SDPBackend.CUDNN_ATTENTION,
]
"""What scaled_dot_product_attention may choose from unless told otherwise."""
_ONE_AT_A_TIME = threading.RLock()
"""transformers loads models through settings of the whole process: measurements in several threads take turns."""


@contextmanager
def plain_torch(device: torch.device) -> Iterator[None]:
    """While open: gradients, no mixed precision, any attention kernel, float32 and the CPU as defaults; one thread."""
    dtype, place = torch.get_default_dtype(), torch.get_default_device()
    with _ONE_AT_A_TIME, ExitStack() as ambient:
        ambient.enter_context(torch.inference_mode(False))
        ambient.enter_context(torch.enable_grad())
        ambient.enter_context(torch.autocast(device.type, enabled=False))
        if device.type != "cpu":
            ambient.enter_context(torch.autocast("cpu", enabled=False))
        if place.type != "cpu":  # a mode around every call of torch: only where one is needed
            ambient.enter_context(torch.device("cpu"))
        ambient.enter_context(sdpa_kernel(ATTENTION))  # all, whatever was chosen around
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
