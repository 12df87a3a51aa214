"""Hostile checkpoints against the light path: a shape or a one-line refusal, in bounded time and memory.

Hypothesis makes config.json and safetensors files (wrong types in every field, nesting, huge numbers, overlapping
offsets, duplicate keys, odd unicode, random bytes and mutations of a real header), writes them to a folder and audits
it with `--shape-only`'s own function. Whatever is not a `ShapeAuditError` fails, and so does an example that takes
longer than two seconds.

    scripts/fuzz --save
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import shape_audit
from benchmarks.reporting import heading, publish
from shape_audit.errors import ShapeAuditError
from shape_audit.hub.builtin_models import builtin_folder

SECONDS_AN_EXAMPLE = 2.0
outcomes: Counter[str] = Counter()
slowest = 0.0

REAL_CONFIG = json.loads((builtin_folder("bytes-1m") / "config.json").read_text())
with (builtin_folder("bytes-1m") / "model.safetensors").open("rb") as stream:
    REAL_HEADER = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))

KEYS = [*REAL_CONFIG, "n_layer", "text_config", "quantization_config", "num_experts", "layer_types", "auto_map", "bits",
        "is_encoder_decoder", "multi_query", "share_input_output_embeddings", "quant_method",
        "quantization", "config_groups", "num_nextn_predict_layers", "block_configs",
        "cross_attention_layers"]  # fmt: skip
numbers = st.integers(-5, 300) | st.sampled_from([2**31, 2**53, 2**63, 2**80, -(2**70), 10**300])
values = st.recursive(
    st.none() | st.booleans() | numbers | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner),
    max_leaves=10,
)
configs = st.dictionaries(st.sampled_from(KEYS), values, max_size=5).map(lambda changes: {**REAL_CONFIG, **changes})
plausible = configs.map(lambda config: json.dumps(config).encode())
config_bytes = (
    plausible
    | plausible
    | plausible
    | values.map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=60)
    | st.integers(1, 20_000).map(lambda depth: b'{"text_config":' * depth)
    | st.just(b'{"hidden_size": 8, "hidden_size": 9, "num_hidden_layers": 1}')
)
names = (
    st.sampled_from(list(REAL_HEADER)) | st.text(max_size=12) | st.integers(1, 10**12).map("model.layers.{}.x".format)
)
entries = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "BF16", "I64", "F4"]) | values,
        "shape": st.lists(numbers, max_size=4) | values,
        "data_offsets": st.lists(numbers, min_size=2, max_size=2) | values,
    }
)
changed_headers = st.dictionaries(names, entries | values, max_size=4).map(lambda c: json.dumps({**REAL_HEADER, **c}))
fitting_headers = st.dictionaries(names, st.lists(st.integers(0, 40), max_size=4), max_size=8).map(
    lambda shapes: json.dumps(_fitting(shapes))
)
header_bytes = (changed_headers | fitting_headers | fitting_headers).map(str.encode) | st.binary(max_size=80)
lengths = st.none() | st.none() | st.none() | st.integers(0, 2**64 - 1)


def _fitting(shapes: dict[str, list[int]]) -> dict[str, object]:
    """A header whose offsets are right, for tensors of these shapes: it passes every check of the file itself."""
    header: dict[str, object] = {}
    position = 0
    for name, shape in shapes.items():
        size = 1
        for n in shape:
            size *= n
        header[name] = {"dtype": "U8", "shape": shape, "data_offsets": [position, position + size]}
        position += size
    return header


def _data_bytes(header: bytes) -> int:
    try:
        ends = [entry["data_offsets"][1] for entry in json.loads(header).values()]
        return max(0, min(max(ends, default=0), 5_000_000))
    except Exception:
        return 0


def attack(folder: Path, config: bytes, header: bytes, length: int | None) -> None:
    """Write one checkpoint and audit its shape."""
    global slowest
    (folder / "config.json").write_bytes(config)
    announced = len(header) if length is None else length
    with (folder / "model.safetensors").open("wb") as file:
        file.write(announced.to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + _data_bytes(header))
    started = time.perf_counter()
    try:
        record = shape_audit.audit(str(folder), shape_only=True)
        assert record.shape.r_dw > 0
        outcomes["a shape"] += 1
    except ShapeAuditError as error:
        outcomes[type(error).__name__] += 1
    took = time.perf_counter() - started
    slowest = max(slowest, took)
    assert took < SECONDS_AN_EXAMPLE, f"{took:.1f} s"


def main() -> None:
    examples = int(sys.argv[sys.argv.index("--examples") + 1]) if "--examples" in sys.argv else 25_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        quiet = settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))

        @quiet
        @given(config_bytes, header_bytes, lengths)
        def one(config: bytes, header: bytes, length: int | None) -> None:
            attack(Path(folder), config, header, length)

        one()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    text = heading("Hostile checkpoints against the light path")
    text += f"\n{sum(outcomes.values()):,} examples, no other exception; slowest {slowest * 1000:.0f} ms; "
    text += f"memory grew by {grown:.0f} MiB, Hypothesis's own included.\n\n| outcome | examples |\n| --- | ---: |\n"
    text += "\n".join(f"| {outcome} | {count:,} |" for outcome, count in outcomes.most_common())
    publish(__file__, text)


if __name__ == "__main__":
    main()
