"""Who asks, and what the Hub lets them read."""

from enum import Enum, auto

from tests.loopback_hub.hub_error import HubError
from tests.loopback_hub.repository import Repository


class Visitor(Enum):
    """The bearer of a request, by the token sent with it."""

    ANONYMOUS = auto()
    WITHOUT_ACCESS = auto()
    READ_ONLY = auto()
    WITH_ACCESS = auto()
    UNKNOWN_TOKEN = auto()

    @property
    def may_read_all(self) -> bool:
        """Whether gated and private repositories are open to them."""
        return self in (Visitor.WITH_ACCESS, Visitor.READ_ONLY)


def check_token(visitor: Visitor) -> None:
    """Refuse a token that the Hub does not know, whatever is asked for.

    Raises:
        HubError: 401 without a code.
    """
    if visitor is Visitor.UNKNOWN_TOKEN:
        # huggingface_hub compares this message: with any other it would report a missing repository.
        raise HubError(401, None, "Invalid credentials in Authorization header")


def check_login(visitor: Visitor) -> None:
    """Let in who has shown a token.

    Raises:
        HubError: 401 without a code.
    """
    check_token(visitor)
    if visitor is Visitor.ANONYMOUS:
        raise HubError(401, None, "Invalid username or password.")


def check_write(what: str, visitor: Visitor) -> None:
    """Let `visitor` change something.

    Args:
        what: a namespace or a repository, for the message.

    Raises:
        HubError: 401 for the anonymous; 403 for a token that may only read, and for one without any right there.
    """
    check_login(visitor)
    if visitor is Visitor.READ_ONLY:
        raise HubError(403, None, "This token has the read role, which does not allow to write")
    if visitor is not Visitor.WITH_ACCESS:
        raise HubError(403, None, f"You don't have the rights to write to {what}")


def check_repository(repository: Repository | None, visitor: Visitor) -> Repository:
    """The repository, if `visitor` may know of it. A private one looks like one that does not exist.

    The anonymous get 401 for either. The Hub itself may leave the error code out; huggingface_hub then goes
    by the address, but only if that is https: the code is sent here so that plain http reads the same.

    Raises:
        HubError: 401 or 404 RepoNotFound; 401 without a code for a token that the Hub does not know, even if
            the repository is public.
    """
    check_token(visitor)
    if repository is None or (repository.private and not visitor.may_read_all):
        if visitor is Visitor.ANONYMOUS:
            raise HubError(401, "RepoNotFound", "Invalid username or password.")
        raise HubError(404, "RepoNotFound", "Repository not found")
    return repository


def check_files(repository: Repository, visitor: Visitor) -> None:
    """Let `visitor` download files: of a gated repository all may read facts and file lists, but no file.

    Raises:
        HubError: GatedRepo, 401 for the anonymous and 403 for a token that was not granted access.
    """
    if not repository.gated or visitor.may_read_all:
        return
    refused = f"Access to {repository.repo_type} {repository.name} is restricted"
    if visitor is Visitor.ANONYMOUS:
        raise HubError(401, "GatedRepo", f"{refused}: log in with an account that was granted access.")
    raise HubError(403, "GatedRepo", f"{refused}: this account was not granted access.")
