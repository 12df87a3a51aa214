"""Records and boards in a dataset of the Hub: the real client against the loopback hub."""

import json
import subprocess
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from shape_audit.records import read_record
from tests.conftest import Program
from tests.forked import Forked
from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.faults import Close, Lost, StatusFor
from tests.moments import stopping_at

REPO, BOARD = "org/board", "hf://datasets/org/board"
RECORDS = f"{BOARD}/records"
MODELS = ("builtin:bytes-1m", "builtin:zoo-300k-1x144")
AUDIT = ("audit", *MODELS, "--shape-only", "--records", RECORDS)

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def writer(hub: LoopbackHub) -> dict[str, str]:
    """The settings of a user of the hub who may write."""
    hub.add_dataset(REPO, {".gitattributes": b"*.parquet filter=lfs diff=lfs merge=lfs -text\n"})
    return {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": hub.token_with_access, "HF_HUB_DISABLE_XET": "1"}


@pytest.fixture
def run(writer: dict[str, str], program: Program, tmp_path: Path) -> Run:
    """Runs shape-audit as that user; `machine` names one that has a home of its own."""

    def run_there(*arguments: str, machine: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        home = {"HF_HOME": str(tmp_path / machine)} if machine else {}
        return program(*arguments, **writer | home | environment)

    return run_there


def kept(hub: LoopbackHub, folder: str = "records/") -> dict[str, bytes]:
    contents = hub.contents(REPO, "dataset")
    return {path.removeprefix(folder): content for path, content in contents.items() if path.startswith(folder)}


def commits(hub: LoopbackHub) -> int:
    repository = hub.repository(REPO, "dataset")
    assert repository is not None
    return len(repository.commits)


def downloads(hub: LoopbackHub) -> int:
    return sum(request.method == "GET" and "/resolve/" in request.path for request in hub.log)


def refused(done: subprocess.CompletedProcess[str], code: int = 2) -> str:
    """The last line on stderr of a run that could not be completed."""
    assert done.returncode == code and "Traceback" not in done.stderr, done.stderr
    return done.stderr.splitlines()[-1]


def test_machines_without_a_shared_disk_make_one_board(hub: LoopbackHub, run: Run, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "board.toml").write_text(f"[[models]]\nnames = {json.dumps(MODELS)}\n")
    assert run(*AUDIT[:2], *AUDIT[3:], machine="first").returncode == 0
    assert [run("leaderboard", "build", "board.toml", "-o", BOARD, machine="second").returncode] == [0]
    assert len(kept(hub)) == 2 and {"board.json", "sources.json"} <= kept(hub, "").keys()
    made = commits(hub)
    assert made <= 4, "the first commit, the audit's, the record of the second model's, the board's"
    hub.clear_log()
    done = run("leaderboard", "build", "board.toml", "-o", BOARD, machine="third")
    assert done.returncode == 0 and downloads(hub) == len(kept(hub, "")) - 1, "all but .gitattributes"
    assert commits(hub) == made, "the same board from the same records"
    hub.clear_log()
    assert run("leaderboard", "render", BOARD, machine="third").returncode == 0
    assert run("leaderboard", "verify", BOARD, machine="third").returncode == 0
    assert downloads(hub) == 0 and commits(hub) == made + 1
    trees = [request for request in hub.log if "/tree/" in request.path]
    assert len(trees) == 4, "render: to read the board, and before its commit; verify: to fetch, and to count rows"
    assert all(read_record(path) for path in (tmp_path / "third").rglob("records/*.json"))
    assert run("leaderboard", "push", BOARD, "--repo", "org/published", machine="third").returncode == 0
    published = hub.contents("org/published", "dataset")
    assert published["board.json"] == kept(hub, "")["board.json"] and {"index.html", "README.md"} <= published.keys()


def test_a_listing_of_which_a_page_is_missing_is_none(hub: LoopbackHub, run: Run, tmp_path: Path) -> None:
    hub.tree_page = 2
    assert run(*AUDIT).returncode == 0 and len(kept(hub)) == 2
    hub.fault(StatusFor(403), on=lambda incoming: "cursor=2" in incoming.query)
    line = refused(run("leaderboard", "verify", BOARD, machine="new"))
    assert line.startswith(f"shape-audit: {BOARD}: ") and "HTTP 403" in line
    assert not list((tmp_path / "new").rglob("records/*.json"))
    hub.clear_faults()
    assert "no board there" in refused(run("leaderboard", "verify", BOARD, machine="new"))
    assert len(list((tmp_path / "new").rglob("records/*.json"))) == 2


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (AUDIT, {"HF_TOKEN": ""}, f"{RECORDS}: no token to write with"),
        (AUDIT, {"HF_TOKEN": LoopbackHub.token_read_only}, "HTTP 403. It says: This token has the read role"),
        ((*AUDIT[:-1], "hf://datasets/org/none/records"), {}, "hf://datasets/org/none/records: not found on the Hub"),
        (("leaderboard", "verify", "hf://datasets/org/none"), {}, "hf repos create org/none --type dataset"),
        (("leaderboard", "verify", f"{BOARD}@none"), {}, "has no such revision"),
        (AUDIT, {"HF_HUB_OFFLINE": "1"}, "offline mode is on"),
    ],
)
def test_what_cannot_be_reached_is_said_before_any_work(
    hub: LoopbackHub, run: Run, arguments: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    done = run(*arguments, **environment)
    assert said in refused(done) and not done.stdout and commits(hub) == 1


def test_other_places_of_the_hub_are_refused(run: Run) -> None:
    assert "records are kept in datasets" in refused(run(*AUDIT[:-1], "hf://org/model/records"), 4)


def test_what_a_lost_hub_has_not_taken_is_sent_by_the_next_run(hub: LoopbackHub, run: Run, tmp_path: Path) -> None:
    hub.fault(Lost(), on="POST /commit/")
    done = run(*AUDIT)
    line = refused(done)
    assert "connection to the Hub failed" in line and "kept in" in line and "record:" not in done.stderr
    assert done.stdout and kept(hub) == {}, "the reports are shown; of the records, there is all or nothing"
    hub.clear_faults()
    hub.fault(Close(first=1), on="POST /commit/")  # taken, but the answer is lost
    assert run("audit", "builtin:zoo-300k-2x104", "--shape-only", "--records", RECORDS).returncode == 0
    assert len(kept(hub)) == 3 and commits(hub) == 2


def test_a_run_that_is_killed_leaves_whole_records_here_and_there(
    hub: LoopbackHub, run: Run, writer: dict[str, str], program: Program, tmp_path: Path
) -> None:
    def start(hooks: Mapping[str, str]) -> Forked:
        return program.start(*AUDIT, hooks=hooks, **writer)

    with stopping_at(["os.rename synced.json"], tmp_path, start) as stopped:
        assert stopped.next_moment() is not None  # a commit is made, and not yet noted here
    assert len(kept(hub)) == 1 and commits(hub) == 2
    hub.clear_log()
    assert run(*AUDIT).returncode == 0
    assert len(kept(hub)) == 2 and downloads(hub) == 0


def test_two_that_write_one_record_at_once_do_not_mix_it(
    hub: LoopbackHub, writer: dict[str, str], program: Program, tmp_path: Path
) -> None:
    """Each from a machine of its own; one of them meets the other's commit."""
    hub.fault(StatusFor(412, first=1, message="A commit has happened since."), on="POST /commit/")
    homes = [tmp_path / name for name in ("one", "two")]
    with ExitStack() as stack:
        running = [
            stack.enter_context(program.start(*AUDIT[:2], *AUDIT[3:], **writer, HF_HOME=str(home))) for home in homes
        ]
        said = [process.communicate()[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    ((name, content),) = kept(hub).items()
    copies = [next(home.rglob(f"files/{name}")).read_bytes() for home in homes]
    assert content in copies and all(read_record(path) for home in homes for path in home.rglob(f"files/{name}"))
