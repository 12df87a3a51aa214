"""The rules, a family or a part of one a file; importing this folder registers them all.

SA1 shape · SA2 hardware · SA3 contents: checkpoint against config · SA4 file integrity · SA5 numbers · SA6 tokenizer
and generation · SA7 release · SA8 interaction
"""

from shape_audit.checks.rules import (
    blocks,
    code,
    config_lists,
    contents,
    generation,
    hardware,
    integrity,
    interaction,
    lost_weights,
    numbers,
    release,
    shape,
    sharding,
    tokenizer,
)

__all__ = [
    "blocks",
    "code",
    "config_lists",
    "contents",
    "generation",
    "hardware",
    "integrity",
    "interaction",
    "lost_weights",
    "numbers",
    "release",
    "shape",
    "sharding",
    "tokenizer",
]
