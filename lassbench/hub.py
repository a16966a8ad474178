"""What the Hugging Face Hub says when it refuses, or cannot be reached, in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lassbench.errors import LassbenchError, one_line

#: Whose errors say that the network failed: the Hub's client changed its own twice.
_CLIENTS = {"httpx", "httpx2", "httpcore", "requests"}


@contextmanager
def hub_errors(repo: str) -> Iterator[None]:
    """Around calls of ``huggingface_hub`` about the repository ``repo``.

    Raises
    ------
    LassbenchError
        If it refused, wants to know who asks, or cannot be reached.
    """
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalTokenNotFoundError,
    )

    try:
        yield
    except LocalTokenNotFoundError as error:
        raise LassbenchError(
            "not logged in to the Hub", where=repo, fix="run `hf auth login`, or set HF_TOKEN"
        ) from error
    except HFValidationError as error:
        raise LassbenchError(
            "no name that the Hub takes", where=repo, got=one_line(str(error)), fix="name another"
        ) from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        mend = {
            401: "log in with `hf auth login`, with a token that may write",
            403: "use a token that may write to this repository",
            404: "check the name of the user or organisation",
        }
        raise LassbenchError(
            "the Hub refused",
            where=repo,
            got=one_line(str(error)),
            fix=mend.get(status, "try again later; nothing here was changed"),
        ) from error
    except LassbenchError:
        raise
    except Exception as error:
        package = type(error).__module__.partition(".")[0]
        if not isinstance(error, OSError) and package not in _CLIENTS:
            raise
        raise LassbenchError(
            "the Hub cannot be reached",
            where=repo,
            got=f"{type(error).__name__}: {error}",
            fix="check the network; `lassbench doctor` tests it",
        ) from error
