"""The HTTP API. Every answer but the stream is one JSON document; an error is {"error": "why"}."""

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator
from time import perf_counter
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from product_service.products import InvalidProduct, NameTaken, NoSuchProduct, ProductDetails, Products

MAX_INTERVAL = 5.0

log = logging.getLogger("product_service")


async def health(request: Request) -> Response:
    return JSONResponse({"status": "ok", "version": os.environ.get("GIT_SHA") or "unknown"})


async def hello(request: Request) -> Response:
    return JSONResponse({"message": "Hello from the product service"})


async def list_products(request: Request) -> Response:
    return JSONResponse([product.as_json() for product in _products(request)])


async def create_product(request: Request) -> Response:
    product = _products(request).add(await _details(request))
    return JSONResponse(product.as_json(), 201, headers={"Location": f"/products/{product.id}"})


async def stream_products(request: Request) -> Response:
    """One product per line, as it is read; `?interval=SECONDS` waits between lines."""
    interval = _interval(request)

    async def lines() -> AsyncIterator[str]:
        for product in _products(request):
            yield json.dumps(product.as_json()) + "\n"
            await asyncio.sleep(interval)

    return StreamingResponse(lines(), media_type="application/x-ndjson")


async def get_product(request: Request) -> Response:
    return JSONResponse(_products(request).get(request.path_params["id"]).as_json())


async def put_product(request: Request) -> Response:
    product = _products(request).replace(request.path_params["id"], await _details(request))
    return JSONResponse(product.as_json())


async def delete_product(request: Request) -> Response:
    _products(request).remove(request.path_params["id"])
    return Response(status_code=204)


def _products(request: Request) -> Products:
    products: Products = request.app.state.products
    return products


async def _details(request: Request) -> ProductDetails:
    try:
        document: Any = await request.json()
    except (ValueError, RecursionError):
        raise InvalidProduct("the request body is not valid JSON") from None
    return ProductDetails.parse(document)


def _interval(request: Request) -> float:
    try:
        interval = float(request.query_params.get("interval", "0"))
    except ValueError:
        interval = -1.0
    if not 0 <= interval <= MAX_INTERVAL:
        raise HTTPException(400, f"interval must be a number of seconds from 0 to {MAX_INTERVAL:g}")
    return interval


def _error(status: int) -> Any:
    def answer(request: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, status)

    return answer


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


def _unexpected_error(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "internal error"}, 500)


class RequestLog:
    """One line to the log for each request, when its answer is complete or has broken off."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began, status = perf_counter(), 500

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, note_status)
        finally:
            milliseconds = (perf_counter() - began) * 1000
            # ascii(): a path may hold a decoded line break, and a request is one log line.
            path = ascii(scope["path"])[1:-1]
            log.info("%s %s %d %.1fms", scope["method"], path, status, milliseconds)


def create_app() -> Starlette:
    """A fresh application, with no products."""
    app = Starlette(
        routes=[
            Route("/", health),
            Route("/hello", hello),
            Route("/products", list_products, methods=["GET"]),
            Route("/products", create_product, methods=["POST"]),
            Route("/products/stream", stream_products, methods=["GET"]),
            Route("/products/{id}", get_product, methods=["GET"]),
            Route("/products/{id}", put_product, methods=["PUT"]),
            Route("/products/{id}", delete_product, methods=["DELETE"]),
        ],
        middleware=[Middleware(RequestLog)],
        exception_handlers={
            InvalidProduct: _error(400),
            NoSuchProduct: _error(404),
            NameTaken: _error(409),
            HTTPException: _http_error,
            Exception: _unexpected_error,
        },
    )
    app.state.products = Products()
    return app
