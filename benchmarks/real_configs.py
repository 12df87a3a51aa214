"""Every language-model type of the installed transformers: no finding about what it writes, one about each damage.

For each causal-LM and image-text-to-text type a model is built on the meta device from its default config, and from one
with fewer layers, and saved with its own `save_pretrained` (see `meta_checkpoints.py`). It is then read, checked, and
checked with --deep: errors and warnings would be false alarms. Into the smaller one, kinds of damage are planted,
one at a time (see `planted_damage.py`): each should be found, by one finding that names it, without --deep where
block neighbours or the config can tell, with it otherwise.

    .venv/bin/python benchmarks/real_configs.py [--save] [TYPE ...]      # resumable: finished types are kept in build/
    .venv/bin/python benchmarks/real_configs.py --finished               # shows those kept so far
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
from transformers import CONFIG_MAPPING

import shape_audit
from benchmarks.meta_checkpoints import (
    REDUCED_EXPERTS,
    SETTINGS,
    build,
    build_from,
    model_types,
    reduced,
    save,
)
from benchmarks.planted_damage import DAMAGES, Sound, headers_of, write_headers
from benchmarks.reporting import ROOT, heading, publish
from shape_audit.checks.checked_model import CheckedModel
from shape_audit.hub import inspect_model
from shape_audit.records import CheckReport

KEPT = ROOT / "build" / f"real_configs_{transformers.__version__}"
SIZES = ("default", "reduced")
MOST_TENSORS = 1000
"""Of a checkpoint that is checked with --deep: transformers takes minutes to load tens of thousands of experts. Where
the default config has more, it is one of all its layers and widths, and of few experts, that is checked so."""
MOST_WITH_FEW_EXPERTS = 6000
"""Of such a config's checkpoint."""
_IDS = "the default token ids are those of a tokenizer larger than the default vocabulary"
_HEADS = "the default config asks for this head dimension; the models released with it do not"
_LOST = "transformers 5.23 does not find the text model again that it has saved itself"
EXCEPTIONS: dict[str, str] = {
    "arcee SA602": _IDS,
    "starcoder2 SA602": _IDS,
    "glm4_moe SA204": _HEADS,
    "glm4v_moe SA204": _HEADS,
    "qwen3_omni_moe_thinker SA204": _HEADS,
    "reformer SA204": _HEADS,
    "bigbird_pegasus SA309": "its config says tied, and its class ties nothing: two matrices are stored",
    "shieldgemma2 SA301": _LOST,
    "shieldgemma2 SA302": _LOST,
    "xlnet SA312": "one parameter stays in float32, which transformers takes for the dtype of all",
}
"""`type rule` -> why that finding about what transformers writes is right."""


def survey(model_type: str, class_name: str) -> dict[str, Any]:
    """One type, both sizes: findings about the sound checkpoint, and what became of each damage."""
    result: dict[str, Any] = {}
    for size in SIZES:
        with TemporaryDirectory(prefix="real-configs-") as name:
            folder = Path(name) / "model"
            try:
                save(build(model_type, class_name, is_reduced=size == "reduced"), folder)
            except Exception as error:  # a default config that its own class cannot build
                reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
                result[size] = {"cannot be built": reason[:160]}
                continue
            plain = shape_audit.check(str(folder))
            result[size] = {"plain": _bad(plain)}
            result[size] |= _deep(model_type, class_name, folder)
            if size == "reduced":
                result["damage"] = {kind: _planted(kind, folder, Path(name) / "damaged", plain) for kind in DAMAGES}
    return result


def _deep(model_type: str, class_name: str, folder: Path) -> dict[str, Any]:
    """What --deep says of a checkpoint; of a large one, of one with fewer experts."""
    tensors = len(headers_of(folder))
    outcome: dict[str, Any] = {"tensors": tensors}
    if tensors > MOST_TENSORS:
        whole = CONFIG_MAPPING[model_type](**SETTINGS.get(model_type, {})).to_dict()
        folder = folder.with_name("few-experts")
        try:
            save(build_from(model_type, class_name, reduced(whole, sys.maxsize, sys.maxsize)), folder)
        except Exception as error:
            return outcome | {"deep left out": f"with {REDUCED_EXPERTS} experts it cannot be built: {error!s:.100}"}
        outcome["with few experts"] = (fewer := len(headers_of(folder)))
        if fewer > MOST_WITH_FEW_EXPERTS:
            return outcome | {"deep left out": f"{fewer:,} tensors with {REDUCED_EXPERTS} experts a block"}
    deep = shape_audit.check(str(folder), deep=True)
    return outcome | {"deep": _bad(deep), "not run": deep.rules_not_run.get("SA313")}


def _bad(report: CheckReport) -> list[str]:
    return [f"{found.rule} {found.message}" for found in report.findings if found.severity != "note"]


def _planted(kind: str, folder: Path, copy: Path, sound_report: CheckReport) -> str:
    """`found by SA301`, `found by SA301 and 2 more`, `... (--deep)`, `missed`, or `-` where it cannot be planted."""
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for file in folder.glob("*.json"):
        shutil.copy(file, copy)
    model = CheckedModel(inspect_model(str(folder)))
    planted = DAMAGES[kind](Sound(copy, headers_of(folder), model.stack, model.alike)) if model.stack else None
    if planted is None:
        return "-"
    headers, named = planted
    write_headers(copy, headers)
    is_small = len(headers) <= MOST_TENSORS
    known = {finding.fingerprint for finding in sound_report.findings}
    for how in ("", " (--deep)") if is_small else ("",):
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
        if "--finished" in sys.argv and not kept.exists():
            continue
        if chosen or not kept.exists():
            kept.write_text(json.dumps(survey(model_type, types[model_type]), indent=1))
        results[model_type] = json.loads(kept.read_text())
    publish(__file__, written(results, len(types), time.monotonic() - started))


def written(results: dict[str, dict[str, Any]], known: int, seconds: float) -> str:
    """The result in Markdown."""
    built = [name for name, result in results.items() if any("plain" in result[size] for size in SIZES)]
    text = heading(f"What `check` says of every language-model type of transformers {transformers.__version__}")
    text += f"\n{len(results)} of {known} types in {seconds:.0f} s "
    text += f"(those kept from earlier runs took none), of which {len(built)} can be built.\n"
    return "\n".join([text, *_sound_tables(results), *_damage_tables(results)]).rstrip()


def _sound_tables(results: dict[str, dict[str, Any]]) -> list[str]:
    """How many sound checkpoints have findings, and which; what could not be built or asked, with the reasons."""
    lines = ["## Sound checkpoints: errors and warnings", "",
             "| | checked | without a finding | with those that are right | false alarms | --deep not run |",
             "| --- | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    rows = []
    for size in SIZES:
        for how in ("plain", "deep"):
            counts: Counter[str] = Counter()
            for name, result in results.items():
                one = result[size]
                if how not in one:
                    continue
                reasons = [EXCEPTIONS.get(f"{name} {seen[:5]}", "") for seen in one[how]]
                counts["false" if not all(reasons) else "right" if reasons else "none"] += 1
                counts["not run"] += how == "deep" and bool(one["not run"])
                rows += [f"| {name} | {size}, {how} | {seen[:300]} | {reason} |"
                         for seen, reason in zip(one[how], reasons, strict=True)
                         if how == "plain" or seen not in one["plain"]]  # fmt: skip
            checked = counts["false"] + counts["right"] + counts["none"]
            columns = (checked, counts["none"], counts["right"], counts["false"], counts["not run"])
            lines.append(f"| {size} config, {how} | {' | '.join(map(str, columns))} |")
        for name, result in results.items():
            if why := result[size].get("cannot be built"):
                rows.append(f"| {name} | {size} | cannot be built: {why} | |")
            elif why := result[size].get("deep left out"):
                rows.append(f"| {name} | {size} | --deep left out: {why} | |")
            elif why := result[size].get("not run"):
                rows.append(f"| {name} | {size} | --deep not run: {why[:160]} | |")
    fewer = [result["default"] for result in results.values() if "with few experts" in result["default"]]
    if fewer:
        most = max(one["with few experts"] for one in fewer if "deep" in one)
        largest = max(one["tensors"] for one in fewer)
        lines += ["", f"{len(fewer)} default configs make more than {MOST_TENSORS:,} tensors (up to {largest:,}): "
                  "these are checked --deep with all their layers and widths, "
                  f"and {REDUCED_EXPERTS} experts a block (up to {most:,} tensors)."]  # fmt: skip
    return [*lines, "", "| type | config | what | why that is right |", "| --- | --- | --- | --- |", *rows, ""]


def _damage_tables(results: dict[str, dict[str, Any]]) -> list[str]:
    lines = ["## Planted damage", "", "| damage | by one finding | by more | only with --deep | missed | not planted |",
             "| --- | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    planted = {name: result["damage"] for name, result in results.items() if "damage" in result}
    for kind, plant in DAMAGES.items():
        counts = Counter(_sort(outcomes[kind]) for outcomes in planted.values())
        columns = " | ".join(str(counts[column]) for column in ("one", "more", "deep", "missed", "-"))
        lines.append(f"| {kind}: {(plant.__doc__ or '').strip()} | {columns} |")
    missed = [f"| {name} | {kind} | {outcome} |" for name, outcomes in planted.items()
              for kind, outcome in outcomes.items() if outcome.startswith("missed")]  # fmt: skip
    return [*lines, "", "| missed in | damage | found instead |", "| --- | --- | --- |", *missed] if missed else lines


def _sort(outcome: str) -> str:
    if outcome == "-" or outcome.startswith("missed"):
        return outcome[:6]
    return "deep" if outcome.endswith("(--deep)") else "more" if " and " in outcome else "one"


if __name__ == "__main__":
    main()
