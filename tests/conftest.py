"""What tests of several rooms use: materials where they are, and the program in a process of its own."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.forked import Forked, Forks
from tests.loopback_hub import LoopbackHub
from tests.processes import ends_with_parent
from tests.tiny_models import save_tiny
from tests.warm_start import PROGRAMS, WORKERS, WarmStart, warm_python

MATERIALS = Path(__file__).resolve().parents[2] / "shared" / "materials"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OTHERS_SETTINGS = ("HF_", "HUGGING", "TRANSFORMERS_", "SHAPE_AUDIT_", "PYTEST_")
"""Not those of a user who has set nothing. pytest's name the test: no two environments would be the same."""

settings.register_profile("ours", deadline=None, derandomize=True)
settings.register_profile("random", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ours"))
"""No test is about a time, and equal commits pass or fail alike; `HYPOTHESIS_PROFILE=random` looks further."""


def pytest_configure(config: pytest.Config) -> None:
    """Have xdist's workers forked from a process that has imported what they need."""
    workers = getattr(config.option, "tx", None) or []
    if set(workers) == {"popen"} and not hasattr(config, "workerinput"):
        running = ExitStack()
        running.enter_context(WarmStart())
        config.add_cleanup(running.close)
        config.option.tx = [f"popen//python={shlex.join(warm_python(WORKERS))}"] * len(workers)


@pytest.fixture
def materials() -> Path:
    """Real third-party data, which is not part of the project."""
    if not MATERIALS.is_dir():
        pytest.skip("real materials (../shared/materials) are not at hand")
    return MATERIALS


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hub-style folder with a two-layer byte-level Llama of random weights."""
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny-llama", "llama")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, as the machine has it: one for the whole worker, since a thread can hold one session only."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser tests")
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is None:
        pytest.skip("no Chromium is installed (scripts/browser installs one): no browser tests")
    sandbox = [] if hasattr(os, "geteuid") and os.geteuid() else ["--no-sandbox"]  # root's Chromium refuses to have one
    with playwright.sync_playwright() as session:
        started = session.chromium.launch(executable_path=found, args=[*sandbox, "--disable-dev-shm-usage"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def hub_port() -> int:
    """Where the Hubs of this worker's tests are, one after the other."""
    with LoopbackHub() as hub:
        return hub.port


@pytest.fixture
def hub(hub_port: int) -> Iterator[LoopbackHub]:
    """An empty Hub on this machine, for clients in processes of their own."""
    try:
        hub = LoopbackHub(hub_port)
    except OSError:  # somebody else has taken the port meanwhile
        hub = LoopbackHub()
    with hub:
        yield hub


@pytest.fixture(scope="session")
def hub_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A link to the running test's own cache of the Hub, so that the environment is that of other tests."""
    return tmp_path_factory.mktemp("link") / "hf_home"


@pytest.fixture
def clean_environment(tmp_path: Path, hub_home: Path) -> dict[str, str]:
    """The environment of a user who has never used the Hub: empty cache, no token, no settings, no proxy."""
    (tmp_path / "hf_home").mkdir()
    hub_home.unlink(missing_ok=True)
    hub_home.symlink_to(tmp_path / "hf_home")
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    ours = {name: value for name, value in kept.items() if not name.startswith(OTHERS_SETTINGS)}
    return ours | {
        "HF_HOME": str(hub_home),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Starts shape-audit in processes forked from one that has imported torch."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        nullcontext() if PROGRAMS in os.environ else WarmStart(),  # a run without workers has none yet
        subprocess.Popen(warm_python(PROGRAMS), preexec_fn=ends_with_parent, **pipes) as server,
    ):
        yield Forks(server)
        server.kill()


@dataclass(frozen=True)
class Program:
    """Runs shape-audit as a user does: `program("audit", "org/name", HF_ENDPOINT=...)`."""

    forks: Forks
    environment: Mapping[str, str]
    folder: Path

    def __call__(self, *arguments: str | Path, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments, stdin=stdin, **environment) as running:
            said = running.communicate()
            return subprocess.CompletedProcess(running.args, running.wait(), *said)

    def start(
        self,
        *arguments: str | Path,
        stdin: str = "",
        folder: Path | None = None,
        hooks: Mapping[str, str] | None = None,
        **environment: str,
    ) -> Forked:
        """Start it, and go on.

        Args:
            folder: its working directory; that of the test by default.
            hooks: of a program that stops at moments.
        """
        how = {"environment": {**self.environment, **environment}, "folder": str(folder or self.folder)}
        return Forked(self.forks, [str(word) for word in arguments], how | {"hooks": hooks}, stdin=stdin)


@pytest.fixture
def program(forks: Forks, clean_environment: dict[str, str], tmp_path: Path) -> Program:
    return Program(forks, clean_environment, tmp_path)
