"""The house: who may import whom, what stays light, what names may not be used."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import shape_audit

PACKAGE = Path(shape_audit.__file__).parent
CONTRIBUTING = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
OPEN_TO_ALL = tuple(re.findall(r"\w+", re.findall(r"^    ([\w, ]+?)  +open to all", CONTRIBUTING, re.MULTILINE)[0]))
ROOMS = tuple(re.findall(r"^    (\w+)/  ", CONTRIBUTING, re.MULTILINE))
"""In the order in which CONTRIBUTING lists them."""
HEAVY = {"torch", "transformers", "datasets", "accelerate", "lm_eval", "ray"}
LIGHT_ROOMS = (
    "records", "parallel", "hub", "interval", "yardsticks", "shape", "reports", "checks", "scores", "app", "cli"
)  # fmt: skip
FRONT_DOORS = ("loader", "calibration", "models", "interaction", "auditing", "cluster", "leaderboard", "sweep")


@cache
def nodes(file: Path) -> tuple[ast.AST, ...]:
    """Of a file, outer ones first."""
    return tuple(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))


@cache
def imported(file: Path) -> set[tuple[str, bool]]:
    """(module, whether at import time) of every import of a file."""
    deferred = [
        range(block.lineno, (block.end_lineno or block.lineno) + 1)
        for block in nodes(file)
        if isinstance(block, ast.FunctionDef | ast.AsyncFunctionDef)
        or (isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING")
    ]
    found = set()
    for node in nodes(file):
        if isinstance(node, ast.Import | ast.ImportFrom):
            at_import = not any(node.lineno in lines for lines in deferred)
            if isinstance(node, ast.Import):
                found |= {(alias.name, at_import) for alias in node.names}
            else:
                assert node.level == 0, f"{file}: relative import"
                assert node.module is not None
                found.add((node.module, at_import))
    return found


def files_of(room: str) -> list[Path]:
    return sorted((PACKAGE / room).rglob("*.py"))


def test_rooms_import_only_rooms_that_stand_above_them() -> None:
    for number, room in enumerate(ROOMS):
        for file in files_of(room):
            others = {name.split(".")[1] for name, _ in imported(file) if name.startswith("shape_audit.")}
            allowed = {*ROOMS[: number + 1], *OPEN_TO_ALL}
            assert others <= allowed, f"{file.relative_to(PACKAGE)} imports {others - allowed}"


def test_rooms_use_each_other_through_the_front_door() -> None:
    for room in ROOMS:
        for file in files_of(room):
            for name, _ in imported(file):
                parts = name.split(".")
                if parts[0] == "shape_audit" and len(parts) > 2 and parts[1] != room:
                    raise AssertionError(f"{file.relative_to(PACKAGE)} reaches into {name}")


def test_every_folder_is_a_room() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == {*ROOMS, "data"} and len(ROOMS) == len(set(ROOMS))
    files = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert files == set(OPEN_TO_ALL)


def test_light_files_do_not_import_what_is_heavy() -> None:
    light = [file for room in LIGHT_ROOMS for file in files_of(room)]
    light += [PACKAGE / room / "__init__.py" for room in FRONT_DOORS]
    light += [PACKAGE / "__init__.py", PACKAGE / "errors.py", *files_of("auditing"), *files_of("calibration")]
    for file in light:
        heavy = {name for name, at_import in imported(file) if at_import and name.split(".")[0] in HEAVY}
        assert not heavy, f"{file.relative_to(PACKAGE)} imports {heavy} at import time"


@pytest.mark.parametrize(
    "arguments",
    [["audit", "MODEL", "--shape-only"], ["check", "MODEL", "--weights"], ["rules"], ["suggest", "--params", "1B"]],
)
def test_what_is_light_loads_nothing_heavy(
    tiny_llama: Path, clean_environment: dict[str, str], arguments: list[str]
) -> None:
    heavy = HEAVY | {"pyarrow", "scipy", "huggingface_hub", "pandas"}
    if "--weights" not in arguments:
        heavy |= {"numpy", "multiprocessing"}
    given = [str(tiny_llama) if argument == "MODEL" else argument for argument in arguments]
    script = (
        "import sys; from shape_audit.cli import main; "
        f"code = main({given!r}); "
        f"print(code, sorted({heavy!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], env=clean_environment, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "0 []", done.stderr


LOADING = {
    "from_pretrained", "from_config", "_from_config", "load_dataset", "load_dataset_builder", "load_from_disk",
    "get_dataset_config_names", "get_dataset_split_names", "get_kernel", "HFLM",
}  # fmt: skip
"""Names of transformers, datasets and lm-eval that load; the loader calls them, and nobody else does."""
UNPICKLING = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "sqlitedict"}


def names_used(file: Path) -> set[str]:
    """Names and attributes that a file uses or imports."""
    imported_names = {alias.name for node in nodes(file) if isinstance(node, ast.ImportFrom) for alias in node.names}
    attributes = {node.attr for node in nodes(file) if isinstance(node, ast.Attribute)}
    return attributes | imported_names | {node.id for node in nodes(file) if isinstance(node, ast.Name)}


def test_only_the_loader_loads() -> None:
    for file in PACKAGE.rglob("*.py"):
        if not file.is_relative_to(PACKAGE / "loader"):
            assert not names_used(file) & LOADING, file
    calls = [
        node
        for file in files_of("loader")
        for node in nodes(file)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    asking = [call for call in calls if call.func.attr in {"from_pretrained", "from_config", "load_dataset"}]
    assert len(asking) == 5
    for call in asking:
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert given["trust_remote_code"] == "False", ast.unparse(call)


def test_nothing_is_unpickled() -> None:
    for file in PACKAGE.rglob("*.py"):
        assert not {name.split(".")[0] for name, _ in imported(file)} & UNPICKLING, file
        for node in nodes(file):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "np.load", "numpy.load"):
                given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert given.get("weights_only") == "True" or given.get("allow_pickle") == "False", file


def test_names_say_what_a_file_is_for() -> None:
    banned = {"utils", "util", "helpers", "helper", "common", "misc", "core", "base", "manager"}
    assert not [file for file in PACKAGE.rglob("*") if file.stem in banned]


def test_files_can_be_read_in_a_sitting() -> None:
    assert not [file for file in PACKAGE.rglob("*.py") if len(file.read_text(encoding="utf-8").splitlines()) > 600]


def test_the_public_names_all_resolve() -> None:
    assert all(getattr(shape_audit, name) is not None for name in shape_audit.__all__)
