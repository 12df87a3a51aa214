"""A hostile checkout: a working directory in which everything that could be taken for code, settings or data is an
attack, and which notices when one of them works: a file in a folder outside of it, a mark."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.checks.checkpoints import write_clean
from tests.scores.questions import write_questions

BIN = Path(sys.executable).parent
CONSOLE_SCRIPT = (str(BIN / "shape-audit"),)
"""How users start the program; its folder, not the working directory, stands first on the import path."""
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
NOT_FROM_FILES = {"builtins", "sys", "__main__"}


@cache
def installed_modules() -> frozenset[str]:
    """Those of installed packages; to ask takes a third of a second."""
    return frozenset(packages_distributions())


@dataclass(frozen=True)
class Checkout:
    """A folder that somebody else has filled.

    Attributes:
        folder: the working directory of every command.
        marks: each file in it is an attack that worked.
    """

    folder: Path
    marks: Path
    environment: dict[str, str]

    def run(self, command: Sequence[str | Path], **environment: str) -> subprocess.CompletedProcess[str]:
        """A command of any kind, in the checkout."""
        return subprocess.run(
            [str(word) for word in command], cwd=self.folder, env=self.environment | environment,
            capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def program(self, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """`shape-audit ARGUMENTS` in the checkout."""
        return self.run([*CONSOLE_SCRIPT, *arguments], **environment)

    def payload(self, mark: str) -> str:
        """Python code that leaves a mark; it imports nothing, since everything it could import may be a decoy."""
        return f"open({str(self.marks / mark)!r}, 'w').close()\n"

    def shell_payload(self, mark: str) -> str:
        """The same for a shell."""
        return f"touch '{self.marks / mark}'"

    def write(self, name: str, content: str) -> Path:
        """A file of the checkout."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    @property
    def left(self) -> list[str]:
        """The attacks that worked."""
        return sorted(str(path.relative_to(self.marks)) for path in self.marks.rglob("*") if path.is_file())


@pytest.fixture
def checkout(tmp_path: Path, clean_environment: dict[str, str]) -> Checkout:
    """A hostile checkout that holds a sound model, `model/`, for which every command works."""
    (tmp_path / "marks").mkdir()
    (tmp_path / "home").mkdir()
    environment = clean_environment | OFFLINE | {"HOME": str(tmp_path / "home")}
    made = Checkout(tmp_path / "above" / "checkout", tmp_path / "marks", environment)
    made.folder.mkdir(parents=True)
    write_clean(made.folder / "model")
    _write_modules(made)
    _write_entry_points(made)
    _write_repository(made)
    _write_settings(made)
    _write_benchmark(made)
    return made


def _write_modules(checkout: Checkout) -> None:
    """A module in place of every one there is: of Python, of each installed package, and those Python asks for."""
    installed = {name for name in installed_modules() if name.isidentifier()}
    names = {*sys.stdlib_module_names, *installed, "shape_audit", "sitecustomize", "usercustomize"} - NOT_FROM_FILES
    for name in names:
        checkout.write(f"{name}.py", checkout.payload(f"import of {name}"))
    for metric in ("exact_match", "acc"):  # where the package `evaluate` looks for code of a metric
        checkout.write(f"{metric}/{metric}.py", checkout.payload(f"metric {metric}"))


def _write_entry_points(checkout: Checkout) -> None:
    """What looks like an installed package with plug-ins, to whoever looks here for packages."""
    checkout.write("evil.py", checkout.payload("plug-in"))
    checkout.write("evil-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    groups = {"rules": "EVIL", "protocols": "evil-gradient", "score_sources": "evil"}
    points = "".join(f"[shape_audit.{group}]\n{name} = evil:found\n" for group, name in groups.items())
    checkout.write("evil-1.0.dist-info/entry_points.txt", points + "[torch.backends]\nevil = evil:found\n")


def _write_repository(checkout: Checkout) -> None:
    """A git repository whose objects have to be fetched, with a command of its own for that."""
    fetch, monitor = checkout.shell_payload("git fetched"), checkout.shell_payload("git looked for changes")
    checkout.write(
        ".git/config",
        f'[core]\nrepositoryformatversion = 1\nfsmonitor = "{monitor}"\n[extensions]\npartialClone = origin\n'
        f'[remote "origin"]\nurl = .\npromisor = true\nuploadpack = "{fetch}; false"\n',
    )
    checkout.write(".git/HEAD", "ref: refs/heads/main\n")
    checkout.write(".git/refs/heads/main", "0123456789abcdef0123456789abcdef01234567\n")
    (checkout.folder / ".git" / "objects").mkdir()


def _write_settings(checkout: Checkout) -> None:
    """Settings here and above that would write files, all of which would be marks."""
    places = {
        "audit": ("output", "records", "save-windows"), "check": ("output", "baseline"), "score": ("results", "output"),
        "scores": ("output",), "link": ("output", "figures"), "interval": ("output", "figures"),
        "suggest": ("output", "config-folder"), "sweep.run": ("output",), "leaderboard.build": ("folder",),
    }  # fmt: skip
    tables = [
        f"[tool.shape-audit.{command}]\n"
        + "".join(f"{option} = {str(checkout.marks / f'{option} of {command}')!r}\n" for option in options)
        for command, options in places.items()
    ]
    for file in ("pyproject.toml", "../pyproject.toml"):
        checkout.write(file, "\n".join(tables))


def _write_benchmark(checkout: Checkout) -> None:
    """Questions under the name of the benchmark, which say that they were asked when a score counts them."""
    write_questions(checkout.folder)
