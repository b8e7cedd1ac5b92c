"""What an answer means."""

from http import HTTPStatus

import httpx

from forebay.api.models import Code, Problem

# Nobody is made to wait longer at once, in seconds.
RETRY_AFTER_MAX = 60.0


class RefusedError(Exception):
    """A service refuses; asking again would change nothing."""

    def __init__(self, response: httpx.Response) -> None:
        """Read what the service says."""
        self.status = response.status_code
        self.problem = problem_of(response)
        said = f"{self.problem.code}: {self.problem.detail}" if self.problem else "which is not one of Forebay's"
        super().__init__(f"answer {self.status} {said}")

    @property
    def code(self) -> Code | None:
        """The code of the problem."""
        return self.problem.code if self.problem else None


class GaveUpError(Exception):
    """For too long it could not be had, or there was no answer."""


def problem_of(response: httpx.Response) -> Problem | None:
    """Read the problem that an answer is; there is none where it is not Forebay that answers."""
    try:
        return Problem.from_dict(response.json())
    except (ValueError, KeyError, TypeError):
        return None


def may_pass(response: httpx.Response) -> bool:
    """Whether a refusal may be none the next time."""
    return response.is_server_error or response.status_code in (
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.REQUEST_TIMEOUT,
    )


def retry_after(response: httpx.Response) -> float | None:
    """When to ask again, in seconds, as the answer says."""
    said = response.headers.get("Retry-After", "")
    return min(float(said), RETRY_AFTER_MAX) if said.isdecimal() else None
