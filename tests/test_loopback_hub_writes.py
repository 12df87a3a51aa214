"""The loopback hub's write side, seen through huggingface_hub.

Clients run in processes of their own: they read HF_ENDPOINT and HF_HUB_DISABLE_XET once, when they are imported.
"""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

from tests.loopback_hub import LoopbackHub
from tests.loopback_hub.faults import Close, Lost, StatusFor

pytestmark = pytest.mark.long
"""Of the hub and its clients, not of the program; that the hub works is shown by every test that uses it."""

PARQUET = bytes(range(256)) * 8

Client = Callable[..., Any]


@pytest.fixture
def client(hub: LoopbackHub, clean_environment: dict[str, str]) -> Client:
    """Runs a script with `api`, an HfApi that holds a token of any rights, and gives what it left in `answer`."""

    def run(script: str, **environment: str) -> Any:
        ours = clean_environment | {
            "HF_ENDPOINT": hub.endpoint, "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": hub.token_with_access
        }  # fmt: skip
        lines = [
            "import json",
            "from huggingface_hub import *",
            "api = HfApi()",
            "def error(call, *arguments, **named):",
            "    try:",
            "        call(*arguments, **named)",
            "    except Exception as error:",
            "        status = getattr(getattr(error, 'response', None), 'status_code', None)",
            "        return [type(error).__name__, status]",
            textwrap.dedent(script),
            "print(json.dumps(answer))",
        ]
        command = [sys.executable, "-c", "\n".join(lines)]
        done = subprocess.run(command, env=ours | environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def writes(hub: LoopbackHub) -> list[str]:
    return [f"{request.method} {request.path}" for request in hub.log if request.method not in ("GET", "HEAD")]


def test_a_repository_is_made_once(hub: LoopbackHub, client: Client) -> None:
    answer = client(
        """
        made = api.create_repo("org/board", repo_type="dataset", private=True)
        again = api.create_repo("org/board", repo_type="dataset", exist_ok=True)
        answer = [str(made), str(again), error(api.create_repo, "org/board", repo_type="dataset")]
        answer += [api.dataset_info("org/board").private, api.whoami()["auth"]["accessToken"]["role"]]
        """
    )
    page = f"{hub.endpoint}/datasets/org/board"
    assert answer == [page, page, ["HfHubHTTPError", 409], True, "write"]
    assert list(hub.contents("org/board", "dataset")) == [".gitattributes"]


def test_a_folder_arrives_byte_for_byte_and_its_large_files_once(
    hub: LoopbackHub, client: Client, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("board")
    files = {"README.md": b"---\nlicense: mit\n---\n# Board\n", "table.parquet": PARQUET, "records/a.json": b"{}"}
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    upload = f"""
        api.create_repo("org/board", repo_type="dataset", exist_ok=True)
        done = api.upload_folder(repo_id="org/board", folder_path={os.fspath(folder)!r}, repo_type="dataset")
        file = hf_hub_download("org/board", "table.parquet", repo_type="dataset")
        answer = [done.oid, open(file, "rb").read().hex()]
        """
    sha, received = client(upload)
    assert bytes.fromhex(received) == PARQUET
    contents = hub.contents("org/board", "dataset")
    assert {name: contents[name] for name in files} == files
    assert sum(write.startswith("PUT /lfs-objects/") for write in writes(hub)) == 1
    repository = hub.repository("org/board", "dataset")
    assert repository is not None and repository.resolve("main").sha == sha

    hub.clear_log()
    assert client(upload)[0] == sha  # the client finds nothing to commit
    assert not [write for write in writes(hub) if "/commit/" in write or write.startswith("PUT")]


def test_files_are_added_changed_and_deleted_in_one_commit(hub: LoopbackHub, client: Client) -> None:
    first = hub.add_dataset("org/board", {"a.txt": b"a", "b.txt": b"b", "old/c.txt": b"c", "old/d.txt": b"d"})
    answer = client(
        f"""
        operations = [
            CommitOperationAdd("a.txt", b"changed"), CommitOperationDelete("b.txt"), CommitOperationDelete("old/"),
            CommitOperationAdd("e.parquet", b"large"),
        ]
        def commit(operations, parent):
            return api.create_commit(
                "org/board", operations, commit_message="Change it", repo_type="dataset", parent_commit=parent
            )
        answer = [
            commit(operations, {first!r}).oid,
            error(commit, [CommitOperationDelete("b.txt")], None),
            error(commit, [CommitOperationDelete("a.txt")], {first!r}),
        ]
        """
    )
    assert answer[1:] == [["RemoteEntryNotFoundError", 404], ["HfHubHTTPError", 412]]
    assert hub.contents("org/board", "dataset") == {"a.txt": b"changed", "e.parquet": b"large"}
    repository = hub.repository("org/board", "dataset")
    assert repository is not None and repository.commits[answer[0]].title == "Change it"
    assert len(repository.commits) == 2


def test_a_pull_request_leaves_the_branch_alone(hub: LoopbackHub, client: Client) -> None:
    hub.add_dataset("org/board", {"a.txt": b"a"})
    answer = client(
        """
        def propose(content):
            operations = [CommitOperationAdd("a.txt", content)]
            done = api.create_commit(
                "org/board", operations, commit_message="Propose", repo_type="dataset", create_pr=True
            )
            return [done.pr_revision, done.pr_num, done.pr_url]
        answer = [propose(b"b"), propose(b"c")]
        """
    )
    page = f"{hub.endpoint}/datasets/org/board/discussions"
    assert answer == [["refs/pr/1", 1, f"{page}/1"], ["refs/pr/2", 2, f"{page}/2"]]
    contents = [hub.contents("org/board", "dataset", ref)["a.txt"] for ref in ("main", "refs/pr/1", "refs/pr/2")]
    assert contents == [b"a", b"b", b"c"]


@pytest.mark.parametrize(
    ("token", "status", "role"),
    [("", 401, None), ("hf_unknown", 401, None), ("hf_read_only", 403, "read"), ("hf_without_access", 403, "write")],
)
def test_only_a_token_with_the_right_writes(
    hub: LoopbackHub, client: Client, token: str, status: int, role: str | None
) -> None:
    sha = hub.add_dataset("org/board", {"a.txt": b"a"})
    answer = client(
        """
        operations = [CommitOperationAdd("a.txt", b"b")]
        answer = [
            error(api.create_repo, "org/new", repo_type="dataset", exist_ok=True)[1],
            error(api.create_commit, "org/board", operations, commit_message="x", repo_type="dataset")[1],
        ]
        try:
            answer.append(api.whoami()["auth"]["accessToken"]["role"])
        except Exception:
            answer.append(None)
        """,
        HF_TOKEN=token,
    )
    assert answer == [status, status, role]
    repository = hub.repository("org/board", "dataset")
    assert repository is not None and repository.resolve("main").sha == sha
    assert hub.repository("org/new", "dataset") is None


def test_a_namespace_that_is_not_ones_own(client: Client) -> None:
    assert client("answer = error(api.create_repo, 'nobody/new', repo_type='dataset')") == ["HfHubHTTPError", 403]


def test_a_card_that_the_hub_would_not_take_is_refused_before_anything_is_sent(
    hub: LoopbackHub, client: Client
) -> None:
    hub.add_dataset("org/board", {"a.txt": b"a"})
    hub.clear_log()
    answer = client(
        r"""
        operations = [CommitOperationAdd("README.md", b"---\na: [\n---\n"), CommitOperationAdd("t.parquet", b"x")]
        answer = error(api.create_commit, "org/board", operations, commit_message="x", repo_type="dataset")
        """
    )
    assert answer == ["ValueError", None]
    assert writes(hub) == ["POST /api/validate-yaml"]


@pytest.mark.parametrize(("fault", "is_done"), [(Lost(), False), (StatusFor(503), False), (Close(), True)])
def test_faults_befall_commits(hub: LoopbackHub, client: Client, fault: Any, is_done: bool) -> None:
    hub.add_dataset("org/board", {"a.txt": b"a"})
    armed = hub.fault(fault, on="POST /commit/")
    answer = client(
        """
        operations = [CommitOperationAdd("a.txt", b"b")]
        answer = error(api.create_commit, "org/board", operations, commit_message="x", repo_type="dataset")
        """
    )
    assert answer[0] in ("RemoteProtocolError", "HfHubHTTPError") and armed.times_applied == 1
    assert hub.contents("org/board", "dataset")["a.txt"] == (b"b" if is_done else b"a")


def test_an_upload_cut_short_is_not_kept(hub: LoopbackHub, client: Client) -> None:
    """What arrives under another hash than its own is refused, so a later commit cannot name it."""
    answer = client(
        f"""
        from huggingface_hub.utils import get_session
        address = {hub.endpoint!r} + "/lfs-objects/" + "0" * 64
        answer = get_session().put(address, content=b"other").status_code
        """
    )
    assert answer == 400
