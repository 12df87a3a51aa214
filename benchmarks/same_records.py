"""Whether this checkout gives the records that another one gives, bit for bit: benchmarks/same_records.py OTHER

OTHER is a checkout of another commit with an environment of its own (OTHER/.venv). Both run the same commands on
built-in models, and their JSON is compared field by field, `environment` and hashes of the record apart. For a change
that must not change numbers, there is nothing to say; else the fields that differ are listed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FEW = ("--windows", "12", "--seq-len", "64", "--no-posted")
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("audit", "builtin:bytes-1m", "--shape-only"),
    ("audit", "builtin:bytes-1m", *FEW, "--spectrum", "3"),
    ("audit", "builtin:bytes-1m", *FEW, "--protocol", "output-gradient", "--dtype", "float64"),
    ("audit", "builtin:bytes-1m", *FEW, "--protocol", "projected-output"),
    ("audit", "builtin:bytes-1m", *FEW, "--nfa", "--micro-batch", "5"),
    ("audit", "builtin:bytes-1m", *FEW, "--device-map", "disk"),
    ("audit", "builtin:bytes-1m", "--seq-len", "64", "--no-posted", "--tolerance", "0.02", "--max-windows", "64"),
    ("audit", "builtin:zoo-300k-4x80", *FEW, "--dtype", "bfloat16", "--sites", "embedding,block.3"),
    ("audit", "builtin:zoo-300k-1x144", "builtin:zoo-300k-16x40", *FEW, "--num-processes", "2"),
    ("check", "builtin:bytes-1m", "--deep", "--weights"),
    ("interval", "--draws", "200"),
    ("suggest", "--params", "1.2B"),
    ("scores", "meta-llama/Llama-3.1-8B", "--no-posted"),
)
LEFT_OUT = {"environment", "record_sha256", "tool_version"}


def output_of(checkout: Path, command: tuple[str, ...], place: Path) -> Any:
    """The JSON that a checkout prints; its error where it fails."""
    records = ("--records", str(place / "records")) if command[0] == "audit" else ()
    done = subprocess.run(
        [str(checkout / ".venv/bin/python"), "-m", "shape_audit", *command, *records, "-f", "json"],
        cwd=place, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(done.stdout) if done.stdout else done.stderr


def differences(ours: Any, theirs: Any, where: str = "") -> Iterator[str]:
    """One line for each field that differs."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in {**theirs, **ours}.keys() - LEFT_OUT:
            if key not in ours or key not in theirs:
                yield f"{where}.{key}: only {'here' if key in ours else 'there'}"
            else:
                yield from differences(ours[key], theirs[key], f"{where}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(one, other, f"{where}[{number}]")
    elif ours != theirs:
        yield f"{where}: {ours!r:.80}, there {theirs!r:.80}"


def main() -> int:
    other, found = Path(sys.argv[1]).resolve(), 0
    for command in COMMANDS:
        with tempfile.TemporaryDirectory() as here, tempfile.TemporaryDirectory() as there:
            lines = list(differences(output_of(ROOT, command, Path(here)), output_of(other, command, Path(there))))
        print(f"{'differs' if lines else 'equal':8} {' '.join(command)}", flush=True)
        for line in lines[:20]:
            print(f"         {line}")
        found += bool(lines)
    print(f"{len(COMMANDS) - found} of {len(COMMANDS)} equal")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
