"""A refusal, in the form from which huggingface_hub picks its exception class."""

from collections.abc import Mapping

from tests.loopback_hub.response import Response, json_response


class HubError(Exception):
    """Raised where a request cannot be served, and answered with `response()`.

    `code` goes into X-Error-Code, the header huggingface_hub maps to RepositoryNotFoundError (RepoNotFound),
    GatedRepoError (GatedRepo), RevisionNotFoundError and EntryNotFoundError; None where the Hub sends none.
    """

    def __init__(self, status: int, code: str | None, message: str, headers: Mapping[str, str] | None = None):
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, dict(headers or {})

    def response(self) -> Response:
        """The message as a header (all that a HEAD request can see) and as JSON."""
        headers = {"X-Error-Message": self.message, **self.headers}
        if self.code is not None:
            headers["X-Error-Code"] = self.code
        return json_response({"error": self.message}, self.status, headers)
