"""SA606: generation settings that do not contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shape_audit.checks.checked_model import CheckedModel
from shape_audit.checks.policy import Policy
from shape_audit.checks.rule import Seen, rule

GENERATION = "generation_config.json"
SAMPLING: Mapping[str, Any] = {
    "temperature": 1.0, "top_p": 1.0, "top_k": 50, "min_p": None, "top_h": None, "typical_p": 1.0,
    "epsilon_cutoff": 0.0, "eta_cutoff": 0.0,
}  # fmt: skip
"""Settings of sampling, and the value that changes nothing (transformers 5.23, GenerationConfig.validate)."""
RANGES: Mapping[str, tuple[float, float]] = {
    "temperature": (0, float("inf")), "top_p": (0, 1), "min_p": (0, 1), "typical_p": (0, 1),
    "repetition_penalty": (1e-9, float("inf")), "top_k": (-1, float("inf")),
}  # fmt: skip
"""What the samplers of transformers accept (its LogitsWarper classes); a top_k of -1 or 0 is none."""
BEAMS: Mapping[str, Any] = {"length_penalty": 1.0, "early_stopping": False}
"""The same of beam search."""


@rule(
    "SA606", "generation-contradicts-itself", "warning",
    why="Settings of a mode that is off are ignored without a word, and save_pretrained() refuses to write them again.",
    fix="Set do_sample to true (num_beams above 1), or remove the settings that need it.",
)  # fmt: skip
def generation_contradicts_itself(model: CheckedModel, policy: Policy) -> Iterator[Seen]:
    """generation_config.json sets what its own decoding mode does not use, or asks for what it cannot give."""
    settings = model.generation_config
    samples, beams = settings.get("do_sample") is True, _number(settings, "num_beams", 1)
    for is_on, mode, neutral in ((samples, "do_sample", SAMPLING), (beams > 1, "num_beams", BEAMS)):
        unused = [f"{key} = {settings[key]}" for key, value in neutral.items()
                  if settings.get(key) is not None and settings[key] != value]  # fmt: skip
        if unused and not is_on:
            state = f"is {settings[mode]!s}".lower() if mode in settings else "is not set"
            yield Seen(f"{mode} {state}, so {', '.join(unused)} {'has' if len(unused) == 1 else 'have'} no effect",
                       file=GENERATION, place=mode)  # fmt: skip
    if samples and settings.get("temperature") == 0:
        yield Seen(
            "do_sample is true with temperature = 0, which sampling refuses", file=GENERATION, place="temperature"
        )
    for key, (least, most) in RANGES.items():
        value = _number(settings, key, most)
        if (value < least or value > most) and (samples or key not in SAMPLING):
            yield Seen(f"{key} = {value:g}, which samplers refuse", file=GENERATION, place=key)
    sequences = _number(settings, "num_return_sequences", 1)
    if sequences > beams and not samples:
        yield Seen(f"num_return_sequences = {sequences:g} without sampling, but there are {beams:g} beams",
                   file=GENERATION, place="num_return_sequences")  # fmt: skip
    least, most = _number(settings, "min_length", 0), _number(settings, "max_length", float("inf"))
    if least > most:
        yield Seen(f"min_length = {least:g} is more than max_length = {most:g}", file=GENERATION, place="min_length")


def _number(settings: Mapping[str, Any], key: str, default: float) -> float:
    value = settings.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else default
