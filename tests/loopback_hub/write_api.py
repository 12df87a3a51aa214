"""What a client says to change a repository: which files go where, their large contents, and the commit.

Large files go through plain LFS, basic transfer, to this same address. The Hub's own clients prefer Xet where hf_xet is
installed; this hub has none and answers 404 to the request for a Xet token, so they run with HF_HUB_DISABLE_XET=1.
"""

import base64
import json
import re
from typing import Any

import yaml

from tests.loopback_hub.hub_error import HubError
from tests.loopback_hub.lfs_store import LfsStore
from tests.loopback_hub.repo_api import Json
from tests.loopback_hub.repository import Commit, Repository
from tests.loopback_hub.stored_file import is_large

_CARD_HEADER = re.compile(r"\A---\r?\n(.*?)\r?\n---\s*(\r?\n|\Z)", re.DOTALL)


def parsed(body: bytes) -> Any:
    """A JSON body.

    Raises:
        HubError: 400 where it is none.
    """
    try:
        return json.loads(body)
    except ValueError as error:
        raise HubError(400, None, "The body is not JSON") from error


def check_card(content: str) -> Json:
    """What the Hub says of a README.md before it is committed.

    Raises:
        HubError: 400 where the header between the dashes is no YAML mapping.
    """
    found = _CARD_HEADER.match(content)
    if found is None:
        return {"errors": [], "warnings": [{"message": "empty or missing yaml metadata in repo card"}]}
    try:
        header = yaml.safe_load(found[1])
    except yaml.YAMLError as error:
        raise HubError(400, None, f"Invalid YAML in README.md: {error.__class__.__name__}") from error
    if not isinstance(header, dict):
        raise HubError(400, None, "The metadata of README.md is no mapping")
    return {"errors": [], "warnings": []}


def preupload(commit: Commit, asked: Json) -> Json:
    """Of each file, whether it goes into git or into LFS, and the hash of what is there under its name."""
    files = []
    for file in asked["files"]:
        known = commit.files.get(file["path"])
        entry = {
            "path": file["path"],
            "uploadMode": "lfs" if is_large(file["path"], file["size"]) else "regular",
            "shouldIgnore": False,
        }
        files.append(entry | ({"oid": known.etag} if known else {}))
    return {"files": files, "commitOid": commit.sha}


def lfs_batch(store: LfsStore, asked: Json, endpoint: str) -> Json:
    """Where each object is to be put; no action for one that is here already."""
    objects: list[Json] = []
    for wanted in asked["objects"]:
        entry: Json = {"oid": wanted["oid"], "size": wanted["size"], "authenticated": True}
        if store.get(wanted["oid"]) is None:
            entry["actions"] = {
                "upload": {"href": f"{endpoint}/lfs-objects/{wanted['oid']}", "header": {}},
                "verify": {"href": f"{endpoint}/lfs-verify/{wanted['oid']}", "header": {}},
            }
        objects.append(entry)
    return {"transfer": "basic", "objects": objects}


def lfs_verify(store: LfsStore, asked: Json) -> Json:
    """Confirm that an object has arrived.

    Raises:
        HubError: 404 where it has not, or not whole.
    """
    content = store.get(asked["oid"])
    if content is None or len(content) != asked["size"]:
        raise HubError(404, None, "No such object")
    return {}


def commit(
    repository: Repository, revision: str, body: bytes, store: LfsStore, endpoint: str, *, create_pr: bool
) -> Json:
    """Carry out the lines of a commit request, on the branch or as a new pull request.

    Raises:
        HubError: 400 for what is no such request; 404 for a deleted file that is not there; 412 where the branch
            has gone on since the parent that the request names.
    """
    lines = [parsed(line) for line in body.splitlines() if line.strip()]
    if not lines or lines[0]["key"] != "header":
        raise HubError(400, None, "The first line must be the header")
    header, head = lines[0]["value"], repository.resolve(revision)
    if header.get("parentCommit", head.sha) != head.sha:
        raise HubError(412, None, "A commit has happened since. Please refresh and try again.")
    contents = {path: file.content for path, file in head.files.items()}
    for line in lines[1:]:
        _apply(line["key"], line["value"], contents, store)
    number = 1 + sum(ref.startswith("refs/pr/") for ref in repository.refs)
    branch = f"refs/pr/{number}" if create_pr else revision
    made = repository.commit(contents, branch, title=header["summary"], parent=head)
    page = endpoint + repository.page
    answer: Json = {"success": True, "commitOid": made.sha, "commitUrl": f"{page}/commit/{made.sha}"}
    if create_pr:
        answer["pullRequestUrl"] = f"{page}/discussions/{number}"
    return answer


def _apply(key: str, value: Json, contents: dict[str, Any], store: LfsStore) -> None:
    """One line of a commit request."""
    path = value["path"]
    if key == "file":
        contents[path] = base64.b64decode(value["content"])
    elif key == "lfsFile":
        content = store.get(value["oid"])
        if content is None:
            raise HubError(400, None, f"LFS object {value['oid']} was not uploaded")
        contents[path] = content
    elif key == "deletedFile":
        if path not in contents:
            raise HubError(404, "EntryNotFound", "A file with this name doesn't exist")
        del contents[path]
    elif key == "deletedFolder":
        inside = [name for name in contents if name.startswith(path.rstrip("/") + "/")]
        if not inside:
            raise HubError(404, "EntryNotFound", "A folder with this name doesn't exist")
        for name in inside:
            del contents[name]
    else:
        raise HubError(400, None, f"{key} is not served by this hub")
