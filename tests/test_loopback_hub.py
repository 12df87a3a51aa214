"""The loopback hub, seen through the clients it is made for.

Clients run in processes of their own: they read HF_ENDPOINT and HF_HOME once, when they are imported.
"""

import http.client
import json
import subprocess
import sys
import textwrap
import time
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.loopback_hub import LoopbackHub, Request

pytestmark = pytest.mark.long
"""Of the hub and its clients, not of the program; that the hub works is shown by every test that uses it."""

CONFIG = b'{"model_type": "llama", "architectures": ["LlamaForCausalLM"]}'

Client = Callable[..., Any]


@pytest.fixture
def client(hub: LoopbackHub, clean_environment: dict[str, str], tmp_path: Path) -> Client:
    """Runs a script in a new process with an empty cache, and gives what it left in `answer`.

    The names of huggingface_hub are imported; further variables of the environment are keyword arguments.
    """

    def run(script: str, **environment: str) -> Any:
        ours = clean_environment | {"HF_ENDPOINT": hub.endpoint}
        lines = [
            "import json",
            "from huggingface_hub import *",
            textwrap.dedent(script),
            "print(json.dumps(answer))",
        ]
        command = [sys.executable, "-c", "\n".join(lines)]
        done = subprocess.run(command, env=ours | environment, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def errors(*calls: str) -> str:
    """A client script that collects the class names of what the calls raise."""
    return (
        "answer = []\n"
        f"for call in {calls!r}:\n"
        "    try:\n"
        "        answer.append(repr(eval(call)))\n"
        "    except Exception as error:\n"
        "        answer.append(type(error).__name__)\n"
    )


def connect(hub: LoopbackHub) -> closing[http.client.HTTPConnection]:
    """A connection without a client between."""
    return closing(http.client.HTTPConnection(hub.endpoint.removeprefix("http://"), timeout=10))


def ask(hub: LoopbackHub, method: str, path: str, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    """One request and its answer."""
    with connect(hub) as connection:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response, response.read()


def test_model_info_by_branch_tag_pull_request_and_sha(hub: LoopbackHub, client: Client) -> None:
    first = hub.add_model("org/name", {"config.json": b"{}"})
    second = hub.add_model("org/name", {"config.json": CONFIG, "model.safetensors": b"weights"})
    other = hub.add_model("org/name", {"other.txt": b"x"}, revision="feature/x")
    pull_request = hub.add_model("org/name", {"change.txt": b"x"}, revision="refs/pr/1")
    hub.tag("org/name", "v1", first)

    revisions = [None, "main", "v1", "feature/x", "refs/pr/1", first]
    answer = client(f"answer = [model_info('org/name', revision=revision).sha for revision in {revisions}]")
    assert answer == [second, second, first, other, pull_request, first]
    assert len({first, second, other, pull_request}) == 4
    assert all(len(sha) == 40 and int(sha, 16) for sha in answer)


def test_model_info_fields(hub: LoopbackHub, client: Client) -> None:
    hub.add_model("org/name", {"config.json": CONFIG, "model.safetensors": b"weights"})
    hub.gate("org/name", "manual")
    answer = client(
        """
        info = model_info("org/name", files_metadata=True)
        brief = model_info("org/name", expand=["gated"])
        answer = {
            "author": info.author, "gated": info.gated, "private": info.private, "config": info.config,
            "files": {file.rfilename: [file.size, file.blob_id, file.lfs] for file in info.siblings},
            "brief": [brief.gated, brief.sha, brief.siblings],
        }
        """
    )
    assert answer == {
        "author": "org",
        "gated": "manual",
        "private": False,
        "config": json.loads(CONFIG),
        "files": {
            # The ids are git's and sha256sum's own for these contents and for the LFS pointer.
            "config.json": [len(CONFIG), "2bf8d10d1acbccd36745de59238f685bff40cc03", None],
            "model.safetensors": [
                7,
                "c6a67be4f3ef29ed4a07b4f2446625126a25cfda",
                {
                    "size": 7,
                    "sha256": "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c",
                    "pointer_size": 126,
                },
            ],
        },
        "brief": ["manual", None, None],
    }


def test_commit_ids_are_those_of_git(hub: LoopbackHub) -> None:
    """The same history made with git by the same author at the same times has these shas."""
    files = {"a.txt": b"a\n", "sub/b.txt": b"b\n", "sub-c": b"c\n"}
    assert hub.add_model("org/name", files) == "6d12335716f7b7acec23dde54cd77da5b8d02514"
    assert hub.add_model("org/name", {"a.txt": b"a\n"}) == "78a03e11b0dde0f5d535ffaa304dbf029bd53512"


def test_file_lists_and_refs(hub: LoopbackHub, client: Client) -> None:
    sha = hub.add_model("org/name", {"a.json": b"{}", "sub/deep/b.txt": b"b"})
    hub.tag("org/name", "v1", sha)
    answer = client(
        """
        api = HfApi()
        refs = api.list_repo_refs("org/name")
        answer = {
            "top": [entry.path for entry in api.list_repo_tree("org/name")],
            "all": [entry.path for entry in api.list_repo_tree("org/name", recursive=True)],
            "folder": [entry.path for entry in api.list_repo_tree("org/name", "sub/deep")],
            "named": [entry.path for entry in api.get_paths_info("org/name", ["sub", "a.json", "absent"])],
            "commit": [entry.last_commit.oid for entry in api.list_repo_tree("org/name", "sub", expand=True)],
            "refs": [[ref.name, ref.target_commit] for ref in refs.branches + refs.tags],
        }
        """
    )
    assert answer == {
        "top": ["a.json", "sub"],
        "all": ["a.json", "sub", "sub/deep", "sub/deep/b.txt"],
        "folder": ["sub/deep/b.txt"],
        "named": ["sub", "a.json"],
        "commit": [sha],
        "refs": [["main", sha], ["v1", sha]],
    }


def test_downloads_into_the_cache(hub: LoopbackHub, client: Client) -> None:
    files = {
        "config.json": CONFIG,
        "model.safetensors": bytes(range(256)) * 1000,
        "sub/odd name é.txt": b"odd",
    }
    sha = hub.add_model("org/name", files)
    snapshot = Path(client("answer = snapshot_download('org/name', allow_patterns=['*.json', 'sub/*'])"))
    assert snapshot.name == sha
    found = {path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file()}
    assert found == {"config.json", "sub/odd name é.txt"}

    hub.clear_log()
    weights = Path(client("answer = hf_hub_download('org/name', 'model.safetensors')"))
    assert weights == snapshot / "model.safetensors"
    assert weights.read_bytes() == files["model.safetensors"]
    address = "/org/name/resolve/main/model.safetensors"
    # The names of agents were asked for above, and kept.
    assert hub.log == [
        Request("HEAD", address, query="", range=None, status=200, body_bytes=0),
        Request("GET", address, query="", range=None, status=200, body_bytes=256_000),
    ]


def test_safetensors_header_costs_a_fraction_of_the_file(hub: LoopbackHub, client: Client) -> None:
    header = json.dumps({"weight": {"dtype": "F32", "shape": [1024, 1024], "data_offsets": [0, 4 << 20]}}).encode()
    file = len(header).to_bytes(8, "little") + header + bytes(4 << 20)
    hub.add_model("org/name", {"model.safetensors": file})
    answer = client(
        """
        metadata = HfApi().parse_safetensors_file_metadata("org/name", "model.safetensors")
        answer = [metadata.tensors["weight"].shape, metadata.parameter_count]
        """
    )
    assert answer == [[1024, 1024], {"F32": 1024**2}]
    assert [request.range for request in hub.log if "/resolve/" in request.path] == ["bytes=0-100000"]
    assert sum(request.body_bytes for request in hub.log) < len(file) / 20


def test_what_does_not_exist_is_named_as_such(hub: LoopbackHub, client: Client) -> None:
    hub.add_model("org/name", {"config.json": b"{}"})
    hub.add_model("org/gone", {"config.json": b"{}"})
    hub.remove("org/gone")
    calls = {
        "model_info('org/absent')": "RepositoryNotFoundError",
        "model_info('org/gone')": "RepositoryNotFoundError",
        "hf_hub_download('org/absent', 'config.json')": "RepositoryNotFoundError",
        "snapshot_download('org/absent')": "RepositoryNotFoundError",
        "dataset_info('org/name')": "RepositoryNotFoundError",
        "model_info('org/absent', token='hf_without_access')": "RepositoryNotFoundError",
        "model_info('org/name', revision='v9')": "RevisionNotFoundError",
        "hf_hub_download('org/name', 'config.json', revision='v9')": "RevisionNotFoundError",
        "hf_hub_download('org/name', 'absent.json')": "RemoteEntryNotFoundError",
        "list(HfApi().list_repo_tree('org/name', 'absent'))": "RemoteEntryNotFoundError",
        # Not "repository not found": the token is wrong, and the client says so.
        "model_info('org/name', token='hf_unknown')": "HfHubHTTPError",
    }
    assert client(errors(*calls)) == list(calls.values())


def test_gated_and_private_repositories_open_to_a_token_with_access(hub: LoopbackHub, client: Client) -> None:
    hub.add_model("org/gated", {"config.json": b"{}"})
    hub.gate("org/gated")
    hub.add_model("org/private", {"config.json": b"{}"})
    hub.make_private("org/private")
    calls = (
        "model_info('org/gated').gated",
        "HfApi().list_repo_files('org/gated')",
        "HfApi().auth_check('org/gated')",
        "open(hf_hub_download('org/gated', 'config.json')).read()",
        "open(hf_hub_download('org/private', 'config.json')).read()",
    )
    listed = ["'auto'", "['config.json']"]
    closed = [*listed, "GatedRepoError", "GatedRepoError", "RepositoryNotFoundError"]
    assert client(errors(*calls)) == closed
    assert {request.status for request in hub.log} == {200, 401}

    hub.clear_log()
    assert client(errors(*calls), HF_TOKEN=hub.token_without_access) == closed
    assert {request.status for request in hub.log} == {200, 403, 404}

    assert client(errors(*calls), HF_TOKEN=hub.token_with_access) == [*listed, "None", "'{}'", "'{}'"]


def test_names_in_other_case_and_former_names_redirect(hub: LoopbackHub, client: Client) -> None:
    hub.add_model("Org/Name", {"config.json": CONFIG})
    hub.add_model("gpt2", {"config.json": b"{}"})
    hub.rename("gpt2", "openai/gpt2")
    answer = client(
        """
        answer = [model_info(name, revision="main").id for name in ("org/name", "gpt2", "openai/gpt2")]
        answer.append(open(hf_hub_download("org/NAME", "config.json")).read())
        """
    )
    assert answer == ["Org/Name", "openai/gpt2", "openai/gpt2", CONFIG.decode()]


def test_datasets_are_served_by_the_same_rules(hub: LoopbackHub, client: Client) -> None:
    sha = hub.add_dataset("org/name", {"data/train.csv": b"a,b\n1,2\n"})
    answer = client(
        """
        path = hf_hub_download("org/name", "data/train.csv", repo_type="dataset")
        files = HfApi().list_repo_files("org/name", repo_type="dataset")
        answer = [dataset_info("org/name").sha, files, open(path).read()]
        """
    )
    assert answer == [sha, ["data/train.csv"], "a,b\n1,2\n"]
    hub.gate("org/name", repo_type="dataset")
    call = "hf_hub_download('org/name', 'data/train.csv', repo_type='dataset', cache_dir='elsewhere')"
    assert client(errors(call)) == ["GatedRepoError"]


def test_transformers_loads_a_model_by_name(hub: LoopbackHub, client: Client, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2
    )
    model = transformers.LlamaForCausalLM(config)
    model.save_pretrained(tmp_path / "tiny")
    hub.add_model("org/tiny", tmp_path / "tiny")
    answer = client(
        """
        from transformers import AutoModelForCausalLM
        model = AutoModelForCausalLM.from_pretrained("org/tiny")
        answer = [type(model).__name__, float(model.get_input_embeddings().weight.detach().double().sum())]
        """
    )
    assert answer[0] == "LlamaForCausalLM"
    assert answer[1] == float(model.get_input_embeddings().weight.detach().double().sum())


@pytest.mark.parametrize(
    ("asked", "status", "body", "content_range"),
    [
        (None, 200, b"0123456789", None),
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=7-99", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=4-2", 200, b"0123456789", None),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("lines=0-1", 200, b"0123456789", None),
    ],
)
@pytest.mark.parametrize("on_disk", [False, True])
def test_byte_ranges(
    hub: LoopbackHub,
    tmp_path: Path,
    on_disk: bool,
    asked: str | None,
    status: int,
    body: bytes,
    content_range: str | None,
) -> None:
    (tmp_path / "digits.bin").write_bytes(b"0123456789")
    hub.add_model("org/name", tmp_path if on_disk else {"digits.bin": b"0123456789"})
    response, content = ask(hub, "GET", "/org/name/resolve/main/digits.bin", **({"Range": asked} if asked else {}))
    assert (response.status, content, response.headers["Content-Range"]) == (status, body, content_range)
    assert response.headers["Accept-Ranges"] == "bytes"
    assert hub.log[-1] == Request("GET", "/org/name/resolve/main/digits.bin", "", asked, status, len(body))


def test_download_headers(hub: LoopbackHub) -> None:
    sha = hub.add_model("org/name", {"hello.txt": b"hello\n", "hello.bin": b"hello\n"})
    plain, body = ask(hub, "HEAD", "/org/name/resolve/main/hello.txt")
    assert (body, plain.headers["Content-Length"], plain.headers["X-Repo-Commit"]) == (b"", "6", sha)
    assert plain.headers["ETag"] == '"ce013625030ba8dba906f756967f9e9ca394464a"'  # git hash-object
    assert plain.headers["X-Linked-Etag"] is None
    large, _ = ask(hub, "HEAD", "/org/name/resolve/main/hello.bin")
    sha256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
    assert large.headers["ETag"] == large.headers["X-Linked-Etag"] == f'"{sha256}"'
    assert large.headers["X-Linked-Size"] == "6"
    absent, _ = ask(hub, "HEAD", "/org/name/resolve/main/absent")
    assert (absent.headers["X-Error-Code"], absent.headers["X-Repo-Commit"]) == ("EntryNotFound", sha)


def test_files_on_disk_are_never_whole_in_memory(hub: LoopbackHub, tmp_path: Path) -> None:
    size = 64 << 20
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.truncate(size)
    tracemalloc.start()
    try:
        hub.add_model("org/name", tmp_path)
        with connect(hub) as connection:
            connection.request("GET", "/org/name/resolve/main/model.safetensors")
            response = connection.getresponse()
            received = sum(len(chunk) for chunk in iter(lambda: response.read(1 << 20), b""))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert received == size == hub.log[-1].body_bytes
    assert peak < size / 8


def test_a_client_that_leaves_early_is_logged_with_what_was_sent(hub: LoopbackHub) -> None:
    size = 64 << 20
    hub.add_model("org/name", {"model.safetensors": bytes(size)})
    with connect(hub) as connection:
        connection.request("GET", "/org/name/resolve/main/model.safetensors")
        connection.getresponse().read(1000)
    for _ in range(500):  # the hub notices at its next write
        if hub.log[0].body_bytes < size:
            break
        time.sleep(0.01)
    assert 1000 <= hub.log[0].body_bytes < size


def test_stop_ends_connections_that_were_kept_open(hub: LoopbackHub) -> None:
    hub.add_model("org/name", {"config.json": b"{}"})
    with connect(hub) as connection:
        for _ in range(2):  # the second request goes through the same connection
            connection.request("GET", "/api/models/org/name")
            assert connection.getresponse().read()
        hub.stop()
        with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
            connection.request("GET", "/api/models/org/name")
            connection.getresponse()
    assert len(hub.log) == 2
