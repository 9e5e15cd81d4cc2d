"""The products, kept in memory: each task has its own, and a new task starts with none."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

MAX_NAME_LENGTH = 100
MAX_PRICE = 1_000_000


class InvalidProduct(ValueError):
    """What a client sent is no product; the message says why."""


class NameTaken(Exception):
    """Another product bears this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is already a product named {name!r}")


class NoSuchProduct(Exception):
    """No product has this id."""

    def __init__(self, product_id: str) -> None:
        super().__init__(f"there is no product with id {product_id!r}")


@dataclass(frozen=True)
class ProductDetails:
    """What a client may set: a name, unique among products, and a price from 0 to 1,000,000."""

    name: str
    price: float

    @classmethod
    def parse(cls, document: Any) -> "ProductDetails":
        if not isinstance(document, dict):
            raise InvalidProduct("a product is a JSON object")
        if unknown := sorted(document.keys() - {"name", "price"}):
            raise InvalidProduct(f"unknown fields: {', '.join(map(ascii, unknown))}")
        name, price = document.get("name"), document.get("price")
        # Printable text has no lone surrogates, so that every name we store can be sent back as UTF-8.
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise InvalidProduct("name must be a text of printable characters")
        if len(name.strip()) > MAX_NAME_LENGTH:
            raise InvalidProduct(f"name must have at most {MAX_NAME_LENGTH} characters")
        # The comparison also refuses NaN and Infinity, which Python's JSON parser lets through.
        if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price <= MAX_PRICE:
            raise InvalidProduct(f"price must be a number from 0 to {MAX_PRICE}")
        return cls(name.strip(), price)


@dataclass(frozen=True)
class Product:
    id: str
    details: ProductDetails

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.details.name, "price": self.details.price}


class Products:
    """Called from the event loop only, and never awaiting: every call is atomic."""

    def __init__(self) -> None:
        self._by_id: dict[str, Product] = {}
        self._ids = count(1)

    def __iter__(self) -> Iterator[Product]:
        """Those there are now, oldest first; what changes later does not disturb the iteration."""
        return iter(list(self._by_id.values()))

    def get(self, product_id: str) -> Product:
        try:
            return self._by_id[product_id]
        except KeyError:
            raise NoSuchProduct(product_id) from None

    def add(self, details: ProductDetails) -> Product:
        self._refuse_taken_name(details.name, holder=None)
        return self._keep(Product(str(next(self._ids)), details))

    def replace(self, product_id: str, details: ProductDetails) -> Product:
        self.get(product_id)
        self._refuse_taken_name(details.name, holder=product_id)
        return self._keep(Product(product_id, details))

    def remove(self, product_id: str) -> None:
        self.get(product_id)
        del self._by_id[product_id]

    def _keep(self, product: Product) -> Product:
        self._by_id[product.id] = product
        return product

    def _refuse_taken_name(self, name: str, holder: str | None) -> None:
        for product in self._by_id.values():
            if product.details.name == name and product.id != holder:
                raise NameTaken(name)
