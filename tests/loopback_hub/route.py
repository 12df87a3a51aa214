"""Which repository, and what about it, an address asks for."""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from tests.loopback_hub.hub_error import HubError
from tests.loopback_hub.repository import RepoType

_TOPICS = "revision|tree|paths-info|refs|auth-check|preupload|commit"
# A name is `namespace/name`, or one word for the oldest repositories (`gpt2`): a topic is no second half.
_REPO = rf"(?P<repo>[^/]+(?:/(?!(?:{_TOPICS}|resolve)(?:/|$))[^/]+)?)"
_REST = r"(?:/(?P<revision>[^/]+))?(?:/(?P<path>.+))?"
_API = re.compile(rf"/api/(?P<type>models|datasets)/{_REPO}(?:/(?P<topic>{_TOPICS}){_REST})?")
_FILE = r"/(?P<topic>resolve)/(?P<revision>[^/]+)/(?P<path>.+)"
_DOWNLOAD = re.compile(rf"/(?:(?P<type>datasets)/)?{_REPO}{_FILE}")
_GIT = re.compile(rf"/(?:(?P<type>datasets)/)?{_REPO}\.git/info/(?P<topic>lfs)/objects/batch(?P<revision>)(?P<path>)")


@dataclass(frozen=True)
class Route:
    """A parsed address.

    Attributes:
        topic: The API's word (`revision`, `tree`, `paths-info`, `refs`, `auth-check`, `preupload`, `commit`),
            `resolve` for a download, or `lfs` for large files on their way here. A bare repository address is
            `revision` of the default branch.
        before, after: The address around the repository's name, still percent-encoded.
    """

    repo_type: RepoType
    repo: str
    topic: str
    revision: str
    path: str
    before: str
    after: str

    @classmethod
    def parse(cls, address: str) -> "Route":
        """Split first, decode afterwards: a revision's own slashes arrive as %2F.

        Raises:
            HubError: 404 without a code, for addresses that this hub does not serve.
        """
        found = _API.fullmatch(address) or _DOWNLOAD.fullmatch(address) or _GIT.fullmatch(address)
        if found is None:
            raise HubError(404, None, "This hub does not serve this address")
        return cls(
            repo_type="dataset" if found["type"] == "datasets" else "model",
            repo=unquote(found["repo"]),
            topic=found["topic"] or "revision",
            revision=unquote(found["revision"] or "main"),
            path=unquote(found["path"] or ""),
            before=address[: found.start("repo")],
            after=address[found.end("repo") :],
        )

    def at(self, name: str) -> str:
        """The same address with the repository called `name`."""
        return self.before + quote(name) + self.after
