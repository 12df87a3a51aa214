"""What is asked of the Hub itself rather than of one repository: who one is, and room for a new repository."""

from collections.abc import Iterable
from typing import Literal

from tests.loopback_hub.access import Visitor, check_login, check_write
from tests.loopback_hub.hub_error import HubError
from tests.loopback_hub.repo_api import Json
from tests.loopback_hub.repository import Repository, RepoType

USER = "someone"
ROLES: dict[Visitor, Literal["read", "write"]] = {
    Visitor.WITH_ACCESS: "write",
    Visitor.WITHOUT_ACCESS: "write",
    Visitor.READ_ONLY: "read",
}
FIRST_FILE = {".gitattributes": b"*.parquet filter=lfs diff=lfs merge=lfs -text\n"}
"""What the Hub puts into a new repository."""


def whoami(visitor: Visitor, organizations: Iterable[str]) -> Json:
    """The account behind a token, and the token's role.

    Raises:
        HubError: 401 without a token that the Hub knows.
    """
    check_login(visitor)
    return {
        "type": "user",
        "name": USER,
        "orgs": [{"type": "org", "name": name} for name in sorted(organizations)],
        "auth": {"type": "access_token", "accessToken": {"displayName": "tests", "role": ROLES[visitor]}},
    }


def new_repository(asked: Json, visitor: Visitor, organizations: Iterable[str]) -> Repository:
    """A repository with the Hub's own first commit.

    Raises:
        HubError: 401 and 403, also where there is no such organization; 400 for a type that this hub has not.
    """
    namespace = asked.get("organization") or USER
    check_write(f"the namespace {namespace}", visitor)
    if namespace not in {USER, *organizations}:
        raise HubError(
            403, None, f'You don\'t have the rights to create a repository under the namespace "{namespace}"'
        )
    repo_type: RepoType = asked.get("type", "model")
    if repo_type not in ("model", "dataset"):
        raise HubError(400, None, f"This hub has no repository of type {repo_type}")
    made = Repository(repo_type, f"{namespace}/{asked['name']}", private=asked.get("visibility") == "private")
    made.commit(FIRST_FILE, "main", title="initial commit")
    return made
