"""The rules, a family a file; importing this folder registers them all.

SA1 shape · SA2 hardware · SA3 contents: checkpoint against config · SA4 file integrity · SA5 numbers · SA6 tokenizer
and generation · SA7 release · SA8 interaction
"""

from shape_audit.checks.rules import (
    contents,
    hardware,
    integrity,
    interaction,
    numbers,
    release,
    shape,
    tokenizer,
)

__all__ = ["contents", "hardware", "integrity", "interaction", "numbers", "release", "shape", "tokenizer"]
