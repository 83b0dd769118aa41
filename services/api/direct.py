"""Routes without FastAPI's dependencies, which take as long to put together as all else that most calls need."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from fastapi import Request, Response
from fastapi.routing import APIRoute

Answer: TypeAlias = Callable[[Request], Coroutine[Any, Any, Response]]


def direct(answer: Answer | None = None) -> type[APIRoute]:
    """Make a class of routes that are documented by their endpoint, and answered by `answer`.

    `answer` reads the endpoint's arguments from the request. Without it the endpoint is one that takes the request.
    """

    class DirectRoute(APIRoute):
        def get_route_handler(self) -> Answer:
            return answer or self.endpoint

    return DirectRoute
