"""Qdrant's strict mode for `WireServer`, as qdrant 1.18 checks it (lib/collection/src/operations/verification).

    server.strict = StrictMode({"enabled": True, "max_query_limit": 20})    # of all collections

Rates are tokens, of which a bucket holds one minute's; a refusal says in Retry-After how long one takes, and here the
time passes at once: the bucket is full again after each refusal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

INDEXES = {str: {"keyword", "uuid"}, bool: {"bool"}, int: {"integer"}}
PARTS = ("must", "should", "must_not")


class StrictModeError(Exception):
    """A refusal; ``retry_after`` is its header."""

    def __init__(self, status: int, message: str, retry_after: str | None = None) -> None:
        super().__init__(message)
        self.status, self.retry_after = status, retry_after


class StrictMode:
    """The limits of one collection, in Qdrant's own form, and what is left of its rates."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = dict(config)
        self.left = {name: self.config.get(name) for name in ("read_rate_limit", "write_rate_limit")}
        self.waited: list[str] = []

    def check(self, route: str, body: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
        """Raise where strict mode refuses a request. :param schema: the payload indexes, as they were asked for."""
        check = _CHECKS.get(route)
        if self.config.get("enabled") and check is not None:
            check(self, body, schema)

    def _upsert(self, body: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
        points = body.get("points") or body.get("batch", {}).get("ids") or []
        self._limit(len(points), "upsert_max_batchsize", "upsert limit")
        self._spend("write_rate_limit", len(points))

    def _delete(self, body: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
        self._filter(body.get("filter"), "unindexed_filtering_update", schema)
        self._spend("write_rate_limit", len(body.get("points") or [0]))

    def _retrieve(self, body: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
        self._spend("read_rate_limit", len(body["ids"]))

    def _count(self, body: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
        self._read(body, schema, None)
        if body.get("exact", True):
            self._refuse_exact()

    def _query(self, body: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
        self._read(body, schema)

    def _batch(self, body: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
        self._limit(len(body["searches"]), "search_max_batchsize", "search batch size")
        for search in body["searches"]:
            self._read(search, schema, cost=0)
        self._spend("read_rate_limit", sum(1 + _conditions(search.get("filter")) for search in body["searches"]))

    def _index(self, body: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
        most = self.config.get("max_payload_index_count")
        if most is not None and body["field_name"] not in schema and len(schema) >= most:
            raise StrictModeError(400, f"Collection already has the maximum number of payload indices ({most})")

    def _read(self, body: Mapping[str, Any], schema: Mapping[str, Any], limit: int | None = 10, cost: int = 1) -> None:
        if limit is not None:
            self._limit(body.get("limit") or limit, "max_query_limit", "limit")
        self._filter(body.get("filter"), "unindexed_filtering_retrieve", schema)
        if (body.get("params") or {}).get("exact"):
            self._refuse_exact()
        if cost:
            self._spend("read_rate_limit", cost + _conditions(body.get("filter")))

    def _limit(self, asked: int, name: str, what: str) -> None:
        most = self.config.get(name)
        if most is not None and asked > most:
            raise StrictModeError(400, f'Bad request: Limit exceeded {asked} > {most} for "{what}"')

    def _refuse_exact(self) -> None:
        if self.config.get("search_allow_exact") is False:
            raise StrictModeError(400, "Bad request: Exact search disabled! Help: Set exact=false.")

    def _filter(self, condition: Any, name: str, schema: Mapping[str, Any]) -> None:
        most, found = self.config.get("filter_max_conditions"), _conditions(condition)
        if most is not None and found > most:
            raise StrictModeError(400, f"Bad request: Filter condition limit reached ({found} > {most})")
        largest, longest = self.config.get("condition_max_size"), _longest(condition)
        if largest is not None and longest > largest:
            raise StrictModeError(400, f"Bad request: Condition size limit reached ({longest} > {largest})")
        if self.config.get(name) is not False:
            return
        for key, wanted in _wanted(condition):
            asked = schema.get(key)
            if (asked.get("type") if isinstance(asked, dict) else asked) not in wanted:
                kinds = ", ".join(sorted(wanted))
                raise StrictModeError(
                    400,
                    f'Bad request: Index required but not found for "{key}" of one of the following types: [{kinds}]',
                )

    def _spend(self, name: str, tokens: int) -> None:
        capacity = self.config.get(name)
        if capacity is None:
            return
        kind = name.partition("_")[0].capitalize()
        if tokens > capacity:
            text = "request larger than rate limiter capacity, please try to split your request"
            raise StrictModeError(429, f"Rate limiting exceeded: {kind} rate limit exceeded, {text}")
        left = self.left[name] or 0
        if tokens > left:
            self.left[name] = capacity
            self.waited.append(name)
            text = f"Operation requires {tokens} tokens but only {left} were available. Retry after 7s"
            raise StrictModeError(429, f"Rate limiting exceeded: {kind} rate limit exceeded: {text}", "7")
        self.left[name] = left - tokens


_CHECKS = {
    "PUT /points": StrictMode._upsert,
    "POST /points/delete": StrictMode._delete,
    "POST /points": StrictMode._retrieve,
    "POST /points/scroll": StrictMode._query,
    "POST /points/count": StrictMode._count,
    "POST /points/query": StrictMode._query,
    "POST /points/query/batch": StrictMode._batch,
    "PUT /index": StrictMode._index,
}


def _parts(condition: Any) -> Iterator[Any]:
    """The conditions below a filter that are no filters themselves."""
    for part in PARTS:
        found = (condition or {}).get(part) or []
        for one in found if isinstance(found, list) else [found]:
            if any(name in one for name in PARTS):
                yield from _parts(one)
            else:
                yield one


def _conditions(condition: Any) -> int:
    return sum(1 for _ in _parts(condition))


def _longest(condition: Any) -> int:
    sizes = [len(one.get("has_id") or (one.get("match") or {}).get("any") or [0]) for one in _parts(condition)]
    return max(sizes, default=0)


def _wanted(condition: Any) -> Iterator[tuple[str, set[str]]]:
    for one in _parts(condition):
        if "key" not in one:
            continue  # ids, and whether a field is empty
        match, bounds = one.get("match"), one.get("range")
        if match:
            values = match.get("any") or [match.get("value")]
            yield one["key"], INDEXES[type(values[0])]
        elif bounds:
            dates = any(isinstance(value, str) for value in bounds.values())
            yield one["key"], {"datetime"} if dates else {"integer", "float"}
