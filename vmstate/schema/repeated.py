"""JSON of which keys that come again are kept: few streams have any, and Python is faster where it need not."""

from __future__ import annotations

import json
from typing import Any

from vmstate.errors import SchemaError
from vmstate.schema.vmdesc import Repeated


def parse_json(text: bytes, what: str = "vmdesc") -> Any:
    """JSON with repeated keys kept. Raises `SchemaError`."""
    try:
        return json.loads(text, object_pairs_hook=keep_repeated)
    except RecursionError:
        raise SchemaError(f"{what} nests too deeply") from None
    except UnicodeDecodeError as error:
        raise SchemaError(f"{what} is not JSON, which is text in UTF-8", offset=error.start) from None
    except ValueError as error:
        raise SchemaError(f"{what} is not JSON: {error}") from None


def keep_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object from its members, all of them where a key comes again."""
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    repeated = Repeated(plain)
    repeated.pairs = pairs
    return repeated
