"""What a Python caller may rely on: options by name, paths as text, one line for a mistake, the process as it was."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import shape_audit
from shape_audit.auditing import AuditOptions
from shape_audit.calibration import WindowOptions
from shape_audit.errors import UsageError
from shape_audit.leaderboard import BuildOptions
from shape_audit.spec import declared_options
from tests.loopback_hub import LoopbackHub

FEW = {"windows": 4, "seq_len": 16}


def test_paths_may_be_texts(tiny_llama: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("the shape of a model " * 200)
    windows = str(tmp_path / "windows.jsonl")
    text = {"dataset": str(tmp_path / "mine.txt"), "save_windows": windows}
    record = shape_audit.audit(str(tiny_llama), records=str(tmp_path / "records"), **text, **FEW)
    assert len(list((tmp_path / "records").glob("*.json"))) == 1
    replayed = shape_audit.audit(tiny_llama, windows_file=windows)
    assert replayed.loss == record.loss
    interval = tmp_path / "interval.json"
    interval.write_text(json.dumps({"low": 0.01, "high": 0.5}))
    assert shape_audit.audit(str(tiny_llama), shape_only=True, interval=str(interval)).placement.side == "inside"
    report = shape_audit.check(str(tiny_llama), interval=str(interval), select="sa1, SA301")
    assert {"SA101", "SA301"} <= set(report.rules_run)
    assert all(rule.startswith(("SA1", "SA301")) for rule in report.rules_run)
    board = shape_audit.build_leaderboard(manifest(tiny_llama), str(tmp_path / "board"), jobs=1)
    assert board is not None and board.rows[0].model == "tiny-llama"


def manifest(model: Path) -> "shape_audit.leaderboard.Manifest":
    from shape_audit.leaderboard import Manifest

    return Manifest.model_validate({"models": [{"names": [str(model)]}]})


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda m: shape_audit.check(m, fail_on="warn"), "--fail-on must be one of error, warning, note, not warn"),
        (lambda m: shape_audit.check(m, select=["SA9999"]), "no rule is called SA9999"),
        (lambda m: shape_audit.check(m, intervall="x"), r"there is no option intervall; did you mean interval"),
        (lambda m: shape_audit.audit(m, windows=0), "--windows must be at least 1, not 0"),
        (lambda m: shape_audit.audit(m, windows="64"), "--windows must be a whole number, not 64"),
        (lambda m: shape_audit.audit(m, window=3), r"audit\(\): there is no option window; did you mean windows"),
        (lambda m: shape_audit.audit(m, device="tpu"), "--device must be one of auto, cpu, cuda, mps, not tpu"),
        (lambda m: shape_audit.audit(m, AuditOptions(), windows=3), "either options or single options"),
        (lambda m: shape_audit.run_sweep(params="300k"), r"run_sweep\(\): missing 2 required"),
        (lambda m: BuildOptions.of(shard="9/8"), "--shard 9/8"),
        (lambda m: BuildOptions.of(shard=(9, 8)), "--shard 9/8"),
    ],
)  # fmt: skip
def test_a_mistake_gets_one_line(tiny_llama: Path, call: object, line: str) -> None:
    with pytest.raises(UsageError, match=line):
        call(tiny_llama)  # type: ignore[operator]


def test_options_of_all_rooms_have_names_of_their_own() -> None:
    names = [declared.name for declared in declared_options(AuditOptions)]
    assert len(names) == len(set(names)) > 30
    changed = AuditOptions().but(windows=7, dtype="float64", records="here")
    assert (changed.text.windows, changed.load.dtype, changed.keep.records) == (7, "float64", Path("here"))
    assert changed.but(windows=None, dtype="auto", records=None) == AuditOptions()
    assert AuditOptions.of(text=WindowOptions(windows=7)) == AuditOptions.of(windows=7)
    with pytest.raises(UsageError, match="leave out --windows"):
        changed.but(tolerance=0.1)


class Breaking:
    """A caller's progress with a bug."""

    def step(self, text: str) -> None: ...

    def windows(self, done: int, total: int, tokens: int) -> None:
        if done:
            raise ValueError("the caller's own mistake")


def test_a_callback_s_own_error_is_the_caller_s(tiny_llama: Path) -> None:
    with pytest.raises(ValueError, match="the caller's own mistake"):
        shape_audit.audit(tiny_llama, progress=Breaking(), **FEW)


STATE = """
import json, logging, os, sys, torch, transformers, datasets, huggingface_hub
from accelerate.state import AcceleratorState, PartialState
from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, get_session
from transformers.utils import logging as transformers_logging
import shape_audit
from pathlib import Path

def environment():
    # but for what torch sets by itself when its compiler is imported
    return {name: value for name, value in os.environ.items() if not name.startswith(("TORCHINDUCTOR_", "KMP_"))}

def state():
    loggers = {name: logging.getLogger(name).level for name in ("transformers", "accelerate", "datasets", "")}
    return [
        are_progress_bars_disabled(), transformers_logging.is_progress_bar_enabled(),
        transformers_logging.get_verbosity(), datasets.are_progress_bars_disabled(), loggers,
        str(get_session().timeout), environment(),
        bool(PartialState._shared_state), bool(AcceleratorState._shared_state), torch.get_num_threads(),
        torch.get_rng_state().tolist(), torch.is_grad_enabled(), str(torch.get_default_dtype()), os.getcwd(),
    ]

called = []
import ctypes
real = ctypes.CDLL
class Watched:
    def __getattr__(self, name):
        called.append(name)
        return getattr(real(None), name)
ctypes.CDLL = lambda name, *more, **args: Watched() if name is None else real(name, *more, **args)
def changed_by(work):
    before = state()
    work()
    after = state()
    return [
        [{k: v for k, v in b.items() if a.get(k) != v}, {k: v for k, v in a.items() if b.get(k) != v}]
        if isinstance(b, dict) else [b, a] for b, a in zip(before, after) if b != a
    ]

def measure():
    shape_audit.audit("org/name", windows=4, seq_len=16, records="records", partial="partial")

def work():
    measure()
    shape_audit.audit("org/name", windows=4, seq_len=16, nfa=True)
    shape_audit.audit("org/name", windows=4, seq_len=16, device_map="disk", device="cpu")
    shape_audit.audit("org/name", windows=4, seq_len=16, dataset="org/texts")
    shape_audit.check("org/name", deep=True, weights=True)

changed = changed_by(work)
disable_progress_bars()
transformers_logging.disable_progress_bar()
datasets.disable_progress_bars()
print(json.dumps([changed, changed_by(measure)]), "mallopt" in called)
"""


@pytest.mark.long
def test_the_caller_s_process_is_left_as_it_was(
    hub: LoopbackHub, tiny_llama: Path, clean_environment: dict[str, str], tmp_path: Path
) -> None:
    """Its progress bars on, and off."""
    hub.add_model("org/name", tiny_llama)
    hub.add_dataset("org/texts", {"test.jsonl": b'{"text": "the shape of a model, said again and again"}\n' * 300})
    environment = clean_environment | {"HF_ENDPOINT": hub.endpoint}
    environment.pop("HF_HUB_DISABLE_PROGRESS_BARS")
    done = subprocess.run(
        [sys.executable, "-c", STATE], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[[], []] False"
