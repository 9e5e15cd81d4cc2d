"""The API as a client meets it."""

import json
import logging

import pytest
from starlette.testclient import TestClient

from product_service.app import create_app


@pytest.fixture
def client():
    return TestClient(create_app(), raise_server_exceptions=False)


def test_health_names_the_version(client, monkeypatch):
    monkeypatch.setenv("GIT_SHA", "4f2a9c1")
    assert client.get("/").json() == {"status": "ok", "version": "4f2a9c1"}


def test_health_without_a_version(client, monkeypatch):
    monkeypatch.delenv("GIT_SHA", raising=False)
    assert client.get("/").json() == {"status": "ok", "version": "unknown"}


def test_hello(client):
    assert client.get("/hello").json() == {"message": "Hello from the product service"}


def test_a_product_from_creation_to_removal(client):
    assert client.get("/products").json() == []

    created = client.post("/products", json={"name": " Lamp ", "price": 49.5})
    lamp = {"id": "1", "name": "Lamp", "price": 49.5}
    assert (created.status_code, created.json()) == (201, lamp)
    assert client.get(created.headers["location"]).json() == lamp

    cheaper = client.put("/products/1", json={"name": "Lamp", "price": 40})
    assert (cheaper.status_code, cheaper.json()) == (200, lamp | {"price": 40})
    assert client.get("/products").json() == [lamp | {"price": 40}]

    assert client.delete("/products/1").status_code == 204
    assert client.get("/products").json() == []


def test_the_stream_has_one_product_per_line(client):
    for name in ("Lamp", "Table"):
        client.post("/products", json={"name": name, "price": 10})
    answer = client.get("/products/stream")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line)["name"] for line in answer.text.splitlines()] == ["Lamp", "Table"]


@pytest.mark.parametrize("interval", ["soon", "-1", "nan", "6"])
def test_the_stream_refuses_an_interval_that_is_none(client, interval):
    answer = client.get("/products/stream", params={"interval": interval})
    assert answer.status_code == 400
    assert answer.json() == {"error": "interval must be a number of seconds from 0 to 5"}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("", "the request body is not valid JSON"),
        ("{", "the request body is not valid JSON"),
        ("[" * 100_000, "the request body is not valid JSON"),
        (b"\xff", "the request body is not valid JSON"),
        ("[]", "a product is a JSON object"),
        ("{}", "name must be a text of printable characters"),
        ('{"name": " ", "price": 1}', "name must be a text of printable characters"),
        (r'{"name": "\ud800", "price": 1}', "name must be a text of printable characters"),
        ('{"name": "%s", "price": 1}' % ("x" * 101), "name must have at most 100 characters"),
        ('{"name": "Lamp"}', "price must be a number from 0 to 1000000"),
        ('{"name": "Lamp", "price": -1}', "price must be a number from 0 to 1000000"),
        ('{"name": "Lamp", "price": NaN}', "price must be a number from 0 to 1000000"),
        ('{"name": "Lamp", "price": true}', "price must be a number from 0 to 1000000"),
        ('{"name": "Lamp", "price": "1"}', "price must be a number from 0 to 1000000"),
        ('{"name": "Lamp", "price": 1, "id": "7"}', "unknown fields: 'id'"),
    ],
)
def test_what_is_no_product_is_refused(client, body, error):
    answer = client.post("/products", content=body)
    assert (answer.status_code, answer.json()) == (400, {"error": error})
    assert client.get("/products").json() == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_unknown_product_is_not_found(client, method):
    answer = client.request(method, "/products/7", json={"name": "Lamp", "price": 1})
    assert (answer.status_code, answer.json()) == (404, {"error": "there is no product with id '7'"})


def test_two_products_cannot_share_a_name(client):
    client.post("/products", json={"name": "Lamp", "price": 1})
    client.post("/products", json={"name": "Table", "price": 2})
    taken = {"error": "there is already a product named 'Lamp'"}

    again = client.post("/products", json={"name": "Lamp", "price": 3})
    assert (again.status_code, again.json()) == (409, taken)
    renamed = client.put("/products/2", json={"name": "Lamp", "price": 2})
    assert (renamed.status_code, renamed.json()) == (409, taken)


def test_errors_of_the_framework_are_json_too(client):
    nowhere = client.get("/nowhere")
    assert (nowhere.status_code, nowhere.json()) == (404, {"error": "Not Found"})
    wrong_method = client.post("/hello")
    assert (wrong_method.status_code, wrong_method.json()) == (405, {"error": "Method Not Allowed"})


def test_each_request_is_one_log_line(client, caplog):
    caplog.set_level(logging.INFO, logger="product_service")
    client.get("/products/a%0Ab")
    [line] = [record.getMessage() for record in caplog.records if record.name == "product_service"]
    assert line.startswith(r"GET /products/a\nb 404 ")
