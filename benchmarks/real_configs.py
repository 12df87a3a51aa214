"""Every language-model type of the installed transformers: no finding about what it writes, one about each damage.

For each causal-LM and image-text-to-text type a model is built on the meta device from its default config, and from one
with fewer layers, and saved with its own `save_pretrained` (see `meta_checkpoints.py`). It is then read, checked, and
checked with --deep: errors and warnings would be false alarms. Into the smaller one ten kinds of damage are planted,
one at a time (see `planted_damage.py`): each should be found, by one finding that names it, without --deep where
block neighbours or the config can tell, with it otherwise.

    .venv/bin/python benchmarks/real_configs.py [--save] [TYPE ...]      # resumable: finished types are kept in build/
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import transformers

import shape_audit
from benchmarks.meta_checkpoints import build, model_types, save
from benchmarks.planted_damage import DAMAGES, Sound, headers_of, write_headers
from benchmarks.reporting import ROOT, heading, publish
from shape_audit.checks.checked_model import CheckedModel
from shape_audit.hub import inspect_model
from shape_audit.records import CheckReport

KEPT = ROOT / "build" / f"real_configs_{transformers.__version__}"
EXCEPTIONS: dict[str, str] = {}
"""`type rule` -> why that finding about what transformers writes is right."""


def survey(model_type: str, class_name: str) -> dict[str, Any]:
    """One type, both sizes: findings about the sound checkpoint, and what became of each damage."""
    result: dict[str, Any] = {}
    for size in ("default", "reduced"):
        with TemporaryDirectory(prefix="real-configs-") as name:
            folder = Path(name) / "model"
            try:
                save(build(model_type, class_name, reduced=size == "reduced"), folder)
            except Exception as error:  # a default config that its own class cannot build
                reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
                result[size] = {"cannot be built": reason[:160]}
                continue
            plain, deep = shape_audit.check(str(folder)), shape_audit.check(str(folder), deep=True)
            result[size] = {"plain": _bad(plain), "deep": _bad(deep), "not run": deep.rules_not_run.get("SA313")}
            if size == "reduced":
                result["damage"] = {kind: _planted(kind, folder, Path(name) / "damaged", plain) for kind in DAMAGES}
    return result


def _bad(report: CheckReport) -> list[str]:
    return [f"{found.rule} {found.message}" for found in report.findings if found.severity != "note"]


def _planted(kind: str, folder: Path, copy: Path, sound_report: CheckReport) -> str:
    """`found by SA301`, `found by SA301 and 2 more`, `... (--deep)`, `missed`, or `-` where it cannot be planted."""
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for file in folder.glob("*.json"):
        shutil.copy(file, copy)
    stack = CheckedModel(inspect_model(str(folder))).stack
    planted = DAMAGES[kind](Sound(copy, headers_of(folder), stack)) if stack else None
    if planted is None:
        return "-"
    headers, named = planted
    write_headers(copy, headers)
    known = {finding.fingerprint for finding in sound_report.findings}
    for how in ("", " (--deep)"):
        report = shape_audit.check(str(copy), deep=bool(how))
        new = [f for f in report.findings if f.severity != "note" and f.fingerprint not in known]
        naming = [f for f in new if re.search(named, f"{f.message} {f.place}")]
        if naming:
            more = f" and {len(new) - 1} more" if new[1:] else ""
            return f"found by {naming[0].rule}{more}{how}"
    return f"missed ({', '.join(sorted({f.rule for f in new})) or 'nothing'})"


def main() -> None:
    logging.getLogger("transformers").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    transformers.utils.logging.disable_progress_bar()
    KEPT.mkdir(parents=True, exist_ok=True)
    types = model_types()
    chosen = [name for name in sys.argv[1:] if not name.startswith("-")]
    started, results = time.monotonic(), {}
    for model_type in chosen or sorted(types):
        kept = KEPT / f"{model_type}.json"
        if chosen or not kept.exists():
            kept.write_text(json.dumps(survey(model_type, types[model_type]), indent=1))
        results[model_type] = json.loads(kept.read_text())
    publish(__file__, written(results, time.monotonic() - started))


def written(results: dict[str, dict[str, Any]], seconds: float) -> str:
    """The result in Markdown."""
    text = heading(f"What `check` says of every language-model type of transformers {transformers.__version__}")
    built = {name: r for name, r in results.items() if "cannot be built" not in r["default"]}
    text += f"\n{len(results)} types in {seconds:.0f} s (resumed ones included), of which {len(built)} can be built.\n"
    text += "\n## Sound checkpoints: errors and warnings\n\n| | without a finding | with findings | --deep not run |\n"
    text += "| --- | ---: | ---: | ---: |\n"
    for size in ("default", "reduced"):
        sound = [r[size] for r in results.values() if size in r and "plain" in r[size]]
        for how in ("plain", "deep"):
            clean = sum(not one[how] for one in sound)
            not_run = sum(bool(one["not run"]) for one in sound) if how == "deep" else 0
            text += f"| {size} config, {how} | {clean} | {len(sound) - clean} | {not_run} |\n"
    text += "\n" + _sound_rows(results)
    text += "\n## Planted damage\n\n| damage | by one finding | by more | only with --deep | missed | not planted |\n"
    text += "| --- | ---: | ---: | ---: | ---: | ---: |\n"
    for kind, plant in DAMAGES.items():
        counts = Counter(_sort(r["damage"][kind]) for r in results.values() if "damage" in r)
        columns = " | ".join(str(counts[column]) for column in ("one", "more", "deep", "missed", "-"))
        text += f"| {kind}: {(plant.__doc__ or '').strip()} | {columns} |\n"
    missed = [f"| {name} | {kind} | {outcome} |" for name, r in results.items()
              for kind, outcome in r.get("damage", {}).items() if outcome.startswith("missed")]  # fmt: skip
    if missed:
        text += "\n| missed in | damage | found instead |\n| --- | --- | --- |\n" + "\n".join(missed) + "\n"
    return text.rstrip()


def _sort(outcome: str) -> str:
    if outcome == "-" or outcome.startswith("missed"):
        return outcome[:6]
    return "deep" if outcome.endswith("(--deep)") else "more" if " and " in outcome else "one"


def _sound_rows(results: dict[str, dict[str, Any]]) -> str:
    """Types with findings, types that cannot be built and types that --deep did not look at, with the reasons."""
    rows = []
    for name, result in results.items():
        for size in ("default", "reduced"):
            one = result[size]
            for seen in dict.fromkeys(text for how in ("plain", "deep") for text in one.get(how, ())):
                hows = " and ".join(how for how in ("plain", "deep") if seen in one[how])
                rows.append(f"| {name} | {size} | {hows}: {seen[:300]} | {EXCEPTIONS.get(f'{name} {seen[:5]}', '')} |")
            if "cannot be built" in one:
                rows.append(f"| {name} | {size} | cannot be built: {one['cannot be built']} | |")
            elif one["not run"]:
                rows.append(f"| {name} | {size} | --deep not run: {one['not run'][:160]} | |")
    return "| type | config | what | why that is right |\n| --- | --- | --- | --- |\n" + "\n".join(rows) + "\n"


if __name__ == "__main__":
    main()
