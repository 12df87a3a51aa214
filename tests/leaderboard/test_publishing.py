"""Pushing a leaderboard: the real client against the loopback hub, and what arrives there."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shape_audit.errors import CorruptFileError, IncompleteError, UsageError
from shape_audit.leaderboard import push as push_board
from shape_audit.leaderboard import read_rendered
from shape_audit.leaderboard.page.card_check import check_dataset_card
from tests.conftest import Program
from tests.leaderboard.rendered import CARD, SENT, row, write_rendered, write_table
from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.faults import Close, Fault, Garbage, Lost, StatusFor
from tests.loopback_hub.server import Incoming
from tests.test_loopback_hub_writes import writes

pytest.importorskip("pyarrow")

ROOT = Path(__file__).resolve().parents[2]
REPO = "org/board"
FIRST_FILE = ".gitattributes"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_rendered(tmp_path / "leaderboard")


@pytest.fixture
def writer(hub: LoopbackHub) -> dict[str, str]:
    """The settings of a user of the hub who may write."""
    return {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": hub.token_with_access, "HF_HUB_DISABLE_XET": "1"}


@pytest.fixture
def run(writer: dict[str, str], clean_environment: dict[str, str], tmp_path: Path) -> Run:
    """Runs Python as that user; further variables of the environment are keyword arguments."""

    def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments], env=clean_environment | {"PYTHONPATH": str(ROOT)} | writer | environment,
            cwd=tmp_path, capture_output=True, text=True, timeout=300,
        )  # fmt: skip

    return python


@pytest.fixture
def push(writer: dict[str, str], program: Program) -> Run:
    """`push("--dry-run")` pushes the folder `leaderboard` to REPO, where no other is named."""

    def pushed(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        repo = () if "--repo" in arguments else ("--repo", REPO)
        return program("leaderboard", "push", *repo, *arguments, **writer | environment)

    return pushed


def commits(hub: LoopbackHub) -> int:
    repository = hub.repository(REPO, "dataset")
    return len(repository.commits) if repository is not None else 0


def refused(done: subprocess.CompletedProcess[str], code: int = 2) -> str:
    """The one line on stderr of a push that was not made."""
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("shape-audit: ")
    return line


def test_a_board_arrives_byte_for_byte_and_nothing_else(hub: LoopbackHub, push: Run, folder: Path) -> None:
    (folder / "figures" / "passwords.svg").symlink_to("/etc/passwd")
    (folder / "figures" / "twin.svg").symlink_to(folder / "figures" / "link.svg")
    done = push()
    assert done.returncode == 0 and not done.stderr, done.stderr
    contents = hub.contents(REPO, "dataset")
    assert set(contents) == SENT | {FIRST_FILE}
    assert all(contents[name] == (folder / name).read_bytes() for name in SENT)
    assert commits(hub) == 2  # the Hub's own, and one
    assert sum("/commit/" in write for write in writes(hub)) == 1
    assert f"{REPO}: 9 files" in done.stdout and "figures/passwords.svg (a link)" in done.stdout
    repository = hub.repository(REPO, "dataset")
    assert repository is not None and not repository.private
    assert repository.resolve("main").title == "Leaderboard of 2 models"


def test_the_card_and_the_table_are_read_back_by_their_own_clients(
    hub: LoopbackHub, push: Run, run: Run, folder: Path
) -> None:
    pytest.importorskip("datasets")
    assert push().returncode == 0
    script = f"""
        import json
        from datasets import load_dataset
        from huggingface_hub import DatasetCard
        card = DatasetCard.load({REPO!r})
        table = load_dataset({REPO!r})
        rows = {{split: part.to_list() for split, part in table.items()}}
        print(json.dumps([card.data.license, card.data.to_dict()["configs"][0]["data_files"], rows]))
        """
    done = run("-c", textwrap.dedent(script), HF_TOKEN="")
    assert done.returncode == 0, done.stderr
    rows = {"train": [{"model": "org/one", "r_dw": 24 / 1024}, {"model": "org/two", "r_dw": 12 / 1024}]}
    assert json.loads(done.stdout.splitlines()[-1]) == ["cc-by-4.0", "table.parquet", rows]


def test_a_second_push_sends_what_has_changed(hub: LoopbackHub, push: Run, folder: Path) -> None:
    assert push().returncode == 0
    hub.clear_log()
    same = push("-f", "json")
    assert same.returncode == 0 and not writes(hub) and commits(hub) == 2
    result = json.loads(same.stdout)
    assert result["plan"]["is_empty"] and result["commit"] is None
    assert "nothing has changed" in push().stdout

    (folder / "index.html").write_text("<!doctype html><title>New</title>\n")
    result = json.loads(push("-f", "json").stdout)
    assert [file["path"] for file in result["plan"]["upload"]] == ["index.html"]
    assert not result["plan"]["upload"][0]["is_new"] and result["plan"]["delete"] == []
    assert len(result["plan"]["unchanged"]) == len(SENT) - 1
    assert hub.contents(REPO, "dataset")["index.html"] == (folder / "index.html").read_bytes()
    assert commits(hub) == 3

    hub.clear_log()
    write_table(folder, row("org/one"))
    assert push().returncode == 0
    assert hub.contents(REPO, "dataset")["table.parquet"] == (folder / "table.parquet").read_bytes()
    assert sum(write.startswith("PUT") for write in writes(hub)) == 1


def test_files_of_an_earlier_board_go_and_others_stay(hub: LoopbackHub, push: Run, folder: Path) -> None:
    mine = {"NOTES.md": b"mine", "data/extra.json": b"{}", "records/old/deep.json": b"{}", FIRST_FILE: b""}
    gone = {"records/org--old__bbbbbbbbbbbb__shape.json": b"{}", "figures/old.svg": b"<svg/>"}
    hub.add_dataset(REPO, mine | gone)
    (folder / "leaderboard.toml").unlink()
    done = push()
    assert done.returncode == 0, done.stderr
    assert all(f"delete  {name}" in done.stdout for name in gone)
    contents = hub.contents(REPO, "dataset")
    assert set(contents) == (SENT | set(mine)) - {"leaderboard.toml"}
    assert {name: contents[name] for name in mine} == mine
    assert commits(hub) == 2


def test_a_dry_run_reads_and_sends_nothing(hub: LoopbackHub, push: Run, folder: Path) -> None:
    done = push("--dry-run")
    assert done.returncode == 0 and not writes(hub) and hub.repository(REPO, "dataset") is None
    assert "9 files" in done.stdout and "to a new dataset repository; nothing was sent" in done.stdout
    assert f"{(folder / 'board.json').stat().st_size:,} bytes  board.json" in done.stdout

    hub.add_dataset(REPO, {"index.html": (folder / "index.html").read_bytes(), "figures/old.svg": b""})
    hub.clear_log()
    result = json.loads(push("--dry-run", "-f", "json", HF_TOKEN="").stdout)  # no token is needed
    assert result["is_dry_run"] and result["plan"]["repository"] == "existing"
    assert {file["path"] for file in result["plan"]["upload"]} == SENT - {"index.html"}
    assert result["plan"]["delete"] == ["figures/old.svg"]
    assert not writes(hub) and commits(hub) == 1


def test_a_dry_run_where_the_hub_cannot_be_seen_lists_all(hub: LoopbackHub, push: Run, folder: Path) -> None:
    offline = push("--dry-run", HF_HUB_OFFLINE="1")
    assert offline.returncode == 0 and "offline mode is on" in offline.stdout and "9 files" in offline.stdout
    assert not hub.log
    hub.stop()
    away = json.loads(push("--dry-run", "-f", "json", "--retries", "0").stdout)
    assert away["plan"]["repository"] == "not seen" and "connection to the Hub failed" in away["plan"]["notes"][0]


def test_a_pull_request_leaves_main_alone(hub: LoopbackHub, push: Run, folder: Path) -> None:
    assert "no such dataset to open a pull request on" in refused(push("--create-pr"))
    before = {"index.html": b"old", "figures/old.svg": b"<svg/>"}
    hub.add_dataset(REPO, before)
    done = push("--create-pr")
    assert done.returncode == 0, done.stderr
    assert f"{hub.endpoint}/datasets/{REPO}/discussions/1" in done.stdout
    assert hub.contents(REPO, "dataset") == before
    assert set(hub.contents(REPO, "dataset", "refs/pr/1")) == SENT


def test_private_is_for_new_repositories_and_never_silently_public(hub: LoopbackHub, push: Run, folder: Path) -> None:
    assert push("--private").returncode == 0
    repository = hub.repository(REPO, "dataset")
    assert repository is not None and repository.private
    assert "nothing has changed" in push("--private").stdout

    hub.add_dataset("org/open", {"index.html": b"old"})
    hub.clear_log()
    assert "exists and is public" in refused(push("--repo", "org/open", "--private"))
    assert not writes(hub)


@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("", "no token to push with. Log in with `hf auth login`, or set HF_TOKEN"),
        ("hf_unknown", "HTTP 401. Is your token still valid?"),
        ("hf_read_only", "HTTP 403. It says: This token has the read role"),
        ("hf_without_access", "HTTP 403. It says: You don't have the rights"),
    ],
)
def test_tokens_that_do_not_do(
    hub: LoopbackHub, push: Run, folder: Path, token: str, said: str, is_there: bool
) -> None:
    if is_there:
        hub.add_dataset(REPO, {"index.html": b"old"})
    line = refused(push(HF_TOKEN=token))
    assert line.startswith(f"shape-audit: {REPO}: ") and said in line
    assert commits(hub) == is_there


def test_places_where_no_board_can_go(hub: LoopbackHub, push: Run, folder: Path) -> None:
    assert 'under the namespace "nobody"' in refused(push("--repo", "nobody/board"))
    hub.add_model("org/model", {"config.json": b"{}"})
    assert "exists on the Hub as a model" in refused(push("--repo", "org/model"))
    assert "offline mode is on" in refused(push(HF_HUB_OFFLINE="1"))
    hub.clear_log()
    assert "not a possible name" in refused(push("--repo", "org/board\nmore"), code=4)
    assert not hub.log
    assert push("--retries", "-1").returncode == 4


@pytest.mark.parametrize(
    "name",
    ["", "board", "org/board/more", "org/", "/board", "org/bo ard", "../board", "org/..", "https://x/y", "a\0/b"],
)
def test_names_that_no_dataset_can_have(folder: Path, name: str) -> None:
    with pytest.raises(UsageError, match="not a possible name"):
        push_board(folder, name)


@pytest.mark.parametrize(
    ("fault", "on", "said"),
    [
        (Lost(), "POST /commit/", "connection to the Hub failed"),
        (StatusFor(503), "POST /commit/", "HTTP 503. Try again later"),
        (StatusFor(412, message="A commit has happened since."), "POST /commit/", "changed it meanwhile; try again"),
        (Garbage(), "POST /commit/", "unexpected response from the Hub"),
        (Garbage(), "POST /preupload/", "unexpected response from the Hub"),
        (Lost(), "GET /api/datasets/", "connection to the Hub failed"),
        (Garbage(), "GET /api/datasets/", "unexpected response from the Hub"),
        (StatusFor(400, message="Bad"), lambda incoming: incoming.method == "PUT", "HTTP 400"),
    ],
)
def test_a_push_cut_off_has_changed_nothing_and_can_be_run_again(
    hub: LoopbackHub, push: Run, folder: Path, fault: Fault, on: Any, said: str
) -> None:
    hub.add_dataset(REPO, {"index.html": b"old"})
    hub.fault(fault, on=on)
    line = refused(push("--retries", "0"))
    assert line.startswith(f"shape-audit: {REPO}: ") and said in line
    assert hub.contents(REPO, "dataset") == {"index.html": b"old"}
    hub.clear_faults()
    assert push().returncode == 0
    assert set(hub.contents(REPO, "dataset")) == SENT


def test_a_hub_that_goes_away_for_good(hub: LoopbackHub, push: Run, folder: Path) -> None:
    hub.stop()
    assert "connection to the Hub failed (ConnectError). Nothing is lost" in refused(push("--retries", "0"))


def test_passing_faults_are_waited_out_and_a_lost_answer_is_no_second_commit(
    hub: LoopbackHub, push: Run, folder: Path
) -> None:
    armed = [
        hub.fault(StatusFor(503, first=1), on="GET /api/datasets/"),
        hub.fault(StatusFor(503, first=1), on=lambda incoming: incoming.path == "/api/repos/create"),
        hub.fault(Close(first=1), on="POST /commit/"),
    ]
    done = push()
    assert done.returncode == 0, done.stderr
    assert [fault.times_applied for fault in armed] == [1, 1, 1]
    assert commits(hub) == 2 and set(hub.contents(REPO, "dataset")) == SENT | {FIRST_FILE}
    repository = hub.repository(REPO, "dataset")
    assert repository is not None and repository.resolve("main").sha in done.stdout


def test_without_xet_on_the_other_side_the_line_names_the_way_out(hub: LoopbackHub, push: Run, folder: Path) -> None:
    pytest.importorskip("hf_xet")
    line = refused(push(HF_HUB_DISABLE_XET="0"))
    assert "an upload failed" in line and "HF_HUB_DISABLE_XET=1" in line


def spoiled(folder: Path, name: str, content: bytes | None) -> Path:
    """The folder with one file changed, or gone."""
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("board.json", None, "not a rendered leaderboard (board.json missing)"),
        ("README.md", None, "(README.md missing)"),
        ("table.parquet", None, "(table.parquet missing)"),
        ("index.html", None, "(index.html missing)"),
        ("board.json", b"{", "board.json: not a board: "),
        ("board.json", b"[" * 100_000, "board.json: not a board: "),
        ("board.json", b'{"board_version": 2}', "board.json: not a board: "),
        ("table.parquet", b"PAR1 cut sh", "table.parquet: not a Parquet file, or cut short"),
        ("index.html", b" \n", "index.html: empty"),
    ],
)
def test_what_is_no_rendered_board_is_refused(folder: Path, name: str, content: bytes | None, said: str) -> None:
    with pytest.raises((CorruptFileError, IncompleteError)) as caught:
        read_rendered(spoiled(folder, name, content))
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("card", "said"),
    [
        (b"# Board\n", "no metadata"),
        (b"---\n---\n# Board\n", "no metadata"),
        (b"---\na: [\n---\n", "not valid YAML"),
        (b"---\n- a\n---\n", "cannot be read"),
        (b"---\n1: 2\n---\n", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (CARD.replace("table.parquet", "other.parquet").encode(), "name other.parquet, which is not in the folder"),
    ],
)
def test_a_card_that_the_hub_would_not_take(card: bytes, said: str) -> None:
    with pytest.raises(CorruptFileError) as caught:
        check_dataset_card(card, file="README.md", paths=SENT)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_such_a_card_stops_a_push_before_anything_is_asked(hub: LoopbackHub, push: Run, folder: Path) -> None:
    assert "README.md: no metadata" in refused(push(str(spoiled(folder, "README.md", b"---\n---\n# Board\n"))))
    assert not hub.log


def test_folders_that_are_none(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(IncompleteError, match="no such folder"):
        read_rendered(tmp_path / "absent")
    (tmp_path / "link").symlink_to(folder)
    assert set(read_rendered(tmp_path / "link").contents) == SENT  # the folder itself may be reached by a link
    shutil.move(folder / "records", tmp_path / "elsewhere")
    (folder / "records").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IncompleteError, match="a link"):  # or its records would be deleted on the Hub
        read_rendered(folder)


def test_the_folder_of_a_board_may_hold_a_pipe(folder: Path) -> None:
    os.mkfifo(folder / "figures" / "pipe.svg")
    assert "figures/pipe.svg" in read_rendered(folder).left_out


def test_neither_room_nor_commands_load_the_client_before_it_is_needed(run: Run) -> None:
    script = """
        import sys
        import shape_audit.leaderboard
        from shape_audit.cli.commands import leaderboard_card, leaderboard_push
        print(sorted({"huggingface_hub", "pyarrow", "torch", "datasets", "scipy"} & set(sys.modules)))
        """
    assert run("-c", textwrap.dedent(script)).stdout == "[]\n"


def test_who_pushed_meanwhile_is_not_overwritten(hub: LoopbackHub, push: Run, folder: Path) -> None:
    hub.add_dataset(REPO, {"index.html": b"old"})

    def somebody_else(incoming: Incoming) -> bool:
        """Commits just before our own commit arrives; meets no request."""
        if "/commit/" in incoming.path:
            hub.add_dataset(REPO, {"index.html": b"theirs"})
        return False

    hub.fault(Lost(), on=somebody_else)
    assert "Somebody else has changed it meanwhile" in refused(push())
    assert hub.contents(REPO, "dataset") == {"index.html": b"theirs"}


def test_a_board_edited_after_it_was_rendered_is_not_sent(hub: LoopbackHub, push: Run, folder: Path) -> None:
    board = (folder / "board.json").read_text()
    (folder / "board.json").write_text(board.replace('"num_hidden_layers": 24', '"num_hidden_layers": 99', 1))
    done = push()
    assert done.returncode == 2 and "table.csv is not what board.json gives; run shape-audit" in done.stderr
    assert not writes(hub)
