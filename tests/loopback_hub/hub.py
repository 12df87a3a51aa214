"""The hub: its repositories, its tokens, and the answer to each request."""

from dataclasses import replace
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlencode

from tests.loopback_hub import account_api, repo_api, write_api
from tests.loopback_hub.access import Visitor, check_files, check_repository, check_write
from tests.loopback_hub.armed_faults import AGENTS_PATH, ArmedFault, ArmedFaults, On
from tests.loopback_hub.download import download
from tests.loopback_hub.faults import Fault
from tests.loopback_hub.hub_error import HubError
from tests.loopback_hub.lfs_store import LfsStore
from tests.loopback_hub.repository import Files, Gate, Repository, RepoType
from tests.loopback_hub.request_log import Request, RequestLog
from tests.loopback_hub.response import Response, json_response
from tests.loopback_hub.route import Route
from tests.loopback_hub.server import HubServer, Incoming


class LoopbackHub:
    """A Hub on 127.0.0.1, serving from construction until `stop()` or the end of its `with` block.

    Attributes:
        token_with_access: Opens every gated and private repository.
        token_without_access: A valid token that was granted access to none. Any other token is refused.
        token_read_only: Opens what `token_with_access` opens, but may not write.
        organizations: Where `token_with_access` may make repositories, beside the namespace of its user.
        tree_page: Entries of one answer about a tree; the next ones are at the address in its Link header.
    """

    token_with_access = "hf_with_access"
    token_without_access = "hf_without_access"
    token_read_only = "hf_read_only"
    organizations = ("org",)
    tree_page = 1000

    def __init__(self, port: int = 0) -> None:
        # Keyed by lower-cased name: the Hub finds names in any case, and keeps old names after a rename.
        self._repositories: dict[tuple[RepoType, str], Repository] = {}
        self._objects = LfsStore()
        self._log = RequestLog()
        self._faults = ArmedFaults()
        self._server = HubServer(self._answer, self._log, port)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop serving and close all connections; new ones are refused."""
        self._server.stop()

    def restart(self) -> None:
        """After `stop`, serve again at the same address."""
        self._server = HubServer(self._answer, self._log, self.port)

    def fault(self, fault: Fault, on: On = "") -> ArmedFault:
        """Let requests meet `fault` from now on.

        Args:
            on: Part of the path of the requests that are meant, with the method before it if only one is
                (`"GET /resolve/"`): by default all about repositories. Or a predicate, which sees all requests.

        Returns:
            The fault in place, which counts. The log names, with each request, the fault that it met.
        """
        return self._faults.arm(fault, on)

    def clear_faults(self) -> None:
        """Answer honestly again."""
        self._faults.clear()

    @property
    def port(self) -> int:
        """Where it serves: at an ephemeral port unless one was given."""
        return self._server.server_port

    @property
    def endpoint(self) -> str:
        """For HF_ENDPOINT."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> list[Request]:
        """All requests so far, in order."""
        return self._log.entries()

    def clear_log(self) -> None:
        """Forget the requests so far."""
        self._log.clear()

    def add_model(self, name: str, files: Files, revision: str = "main") -> str:
        """Commit `files` to a branch of the model `name`, which is made if need be.

        Args:
            name: `namespace/name`, or one word as the Hub's oldest models have.
            files: The commit's whole tree, as contents by path or as a folder. What is given as a `Path` is
                read from disk when served.
            revision: A branch, or `refs/pr/N`.

        Returns:
            The commit's sha, the same on every run for the same content and history.
        """
        return self._add("model", name, files, revision)

    def add_dataset(self, name: str, files: Files, revision: str = "main") -> str:
        """`add_model` for a dataset."""
        return self._add("dataset", name, files, revision)

    def repository(self, name: str, repo_type: RepoType = "model") -> Repository | None:
        """What the hub holds under a name: commits, refs, whether it is private."""
        return self._repositories.get((repo_type, name.lower()))

    def contents(self, name: str, repo_type: RepoType = "model", revision: str = "main") -> dict[str, bytes]:
        """Path -> bytes of every file at a revision."""
        commit = self._repositories[repo_type, name.lower()].resolve(revision)
        return {path: b"".join(file.read()) for path, file in sorted(commit.files.items())}

    def tag(self, name: str, tag: str, sha: str, repo_type: RepoType = "model") -> None:
        """Name a commit."""
        repository = self._repositories[repo_type, name.lower()]
        repository.refs[f"refs/tags/{tag}"] = repository.resolve(sha).sha

    def gate(self, name: str, gate: Gate = "auto", repo_type: RepoType = "model") -> None:
        """Keep the files for those who were granted access, automatically or by a person."""
        self._repositories[repo_type, name.lower()].gated = gate

    def make_private(self, name: str, repo_type: RepoType = "model") -> None:
        """Hide the repository from all but those with access."""
        self._repositories[repo_type, name.lower()].private = True

    def rename(self, name: str, new_name: str, repo_type: RepoType = "model") -> None:
        """Move a repository; its old name redirects to the new one."""
        repository = self._repositories[repo_type, name.lower()]
        repository.name = new_name
        self._repositories[repo_type, new_name.lower()] = repository

    def remove(self, name: str, repo_type: RepoType = "model") -> None:
        """Delete a repository, under all names it ever had."""
        removed = self._repositories[repo_type, name.lower()]
        self._repositories = {key: kept for key, kept in self._repositories.items() if kept is not removed}

    def _add(self, repo_type: RepoType, name: str, files: Files, revision: str) -> str:
        repository = self._repositories.setdefault((repo_type, name.lower()), Repository(repo_type, name))
        return repository.commit(files, revision).sha

    def _answer(self, incoming: Incoming) -> Response:
        fault = self._faults.take(incoming)
        if fault is None:
            return self._honest(incoming)
        return replace(fault.answer(incoming, self._honest), fault=type(fault).__name__)

    def _honest(self, incoming: Incoming) -> Response:
        try:
            return self._serve(incoming)
        except HubError as error:
            return error.response()

    def _serve(self, incoming: Incoming) -> Response:
        if incoming.path == AGENTS_PATH:
            # Asked first by huggingface_hub, which keeps it in HF_HOME for a day; after a 404 it asks again.
            return json_response({"harnesses": {}, "standardEnvVars": []})
        visitor = self._visitor(incoming)
        elsewhere = self._serve_no_repository(incoming, visitor)
        if elsewhere is not None:
            return elsewhere
        route = Route.parse(incoming.path)
        repository = check_repository(self._repositories.get((route.repo_type, route.repo.lower())), visitor)
        if route.repo != repository.name:
            address = route.at(repository.name) + (f"?{incoming.query}" if incoming.query else "")
            return Response(307, {"Location": address})
        if route.topic in ("preupload", "commit", "lfs"):
            check_write(repository.name, visitor)
            return self._write(route, repository, incoming)
        if route.topic in ("resolve", "auth-check"):
            check_files(repository, visitor)

        if route.topic == "auth-check":
            return json_response({})
        asked = _parameters(incoming)
        if route.topic == "refs":
            return json_response(repo_api.refs(repository, pull_requests=_is_set(asked, "include_prs")))
        commit = repository.resolve(route.revision)
        if route.topic == "resolve":
            return download(commit, route.path, incoming.headers.get("Range"))
        if route.topic == "revision":
            blobs, fields = _is_set(asked, "blobs"), asked.get("expand", [])
            return json_response(repo_api.info(repository, commit, blobs=blobs, expand=fields))
        expand = _is_set(asked, "expand")
        if route.topic == "paths-info":
            return json_response(repo_api.paths_info(commit, asked.get("paths", []), expand=expand))
        listed = repo_api.tree(commit, route.path, recursive=_is_set(asked, "recursive"), expand=expand)
        start = int(asked.get("cursor", ["0"])[0])
        stop = start + self.tree_page
        following = urlencode({name: values[-1] for name, values in asked.items()} | {"cursor": stop})
        link = {"Link": f'<{self.endpoint}{incoming.path}?{following}>; rel="next"'} if stop < len(listed) else {}
        return json_response(listed[start:stop], headers=link)

    def _serve_no_repository(self, incoming: Incoming, visitor: Visitor) -> Response | None:
        """The answer to what is not asked of one repository; None for all else."""
        if incoming.path == "/api/whoami-v2":
            return json_response(account_api.whoami(visitor, self.organizations))
        if incoming.path == "/api/validate-yaml":
            return json_response(write_api.check_card(write_api.parsed(incoming.body)["content"]))
        if incoming.path == "/api/repos/create":
            return self._create(
                account_api.new_repository(write_api.parsed(incoming.body), visitor, self.organizations)
            )
        topic, _, sha256 = incoming.path[1:].partition("/")
        if topic == "lfs-objects" and incoming.method == "PUT":
            # As on the Hub, the address itself is the permission: no token is sent here.
            self._objects.put(sha256, incoming.body)
            return Response(200)
        if topic == "lfs-verify":
            return json_response(write_api.lfs_verify(self._objects, write_api.parsed(incoming.body)))
        return None

    def _create(self, made: Repository) -> Response:
        known = self._repositories.setdefault((made.repo_type, made.name.lower()), made)
        answer = {"url": self.endpoint + known.page, "name": known.name}
        if known is made:
            return json_response(answer)
        return json_response(answer | {"error": f"You already created this {made.repo_type} repo"}, 409)

    def _write(self, route: Route, repository: Repository, incoming: Incoming) -> Response:
        if route.topic == "lfs":
            asked = write_api.parsed(incoming.body)
            return json_response(write_api.lfs_batch(self._objects, asked, self.endpoint))
        if route.topic == "preupload":
            asked = write_api.parsed(incoming.body)
            return json_response(write_api.preupload(repository.resolve(route.revision), asked))
        create_pr = parse_qs(incoming.query).get("create_pr") == ["1"]
        answer = write_api.commit(
            repository, route.revision, incoming.body, self._objects, self.endpoint, create_pr=create_pr
        )
        return json_response(answer)

    def _visitor(self, incoming: Incoming) -> Visitor:
        authorization = incoming.headers.get("Authorization")
        if authorization is None:
            return Visitor.ANONYMOUS
        token = authorization.removeprefix("Bearer ")
        known = {
            self.token_with_access: Visitor.WITH_ACCESS,
            self.token_without_access: Visitor.WITHOUT_ACCESS,
            self.token_read_only: Visitor.READ_ONLY,
        }
        return known.get(token, Visitor.UNKNOWN_TOKEN)


def _parameters(incoming: Incoming) -> dict[str, list[str]]:
    """Values by name, from the query and from a posted form."""
    return parse_qs(incoming.query) | parse_qs(incoming.body.decode())


def _is_set(asked: dict[str, list[str]], name: str) -> bool:
    return asked.get(name, [""])[-1].lower() in ("true", "1")
