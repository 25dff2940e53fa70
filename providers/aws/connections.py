"""Connections in one DynamoDB table: every promise is a condition on one item, read consistently from the table itself.

    pk                    sk                          what
    c#connection          .                           a connection
    c#connection          o#operation                 one of its operations
    t#topic               connection NUL instance     somebody who follows a topic
    h#cohort  n#part  p#group#generation    .         what a cohort shares; noted columns; how far was pushed

A sparse index `due` (sweep, due) has the rows that are to be looked at; it may lag, and its readers read the row again. The attribute
`ttl` lets DynamoDB forget cohorts by itself.
"""

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any
from zlib import crc32

import msgspec

from providers.aws.dynamo import Dynamo, Failed, Item
from providers.aws.items import CONNECTION, OPERATION, connection_of, item_of, operation_of, sweep_of
from runtime.errors import Misconfigured, Unavailable
from runtime.ports.sockets import Connection, Follower, Operation

INDEX = "due"
SWEEPS = 8  # partitions of the index
GETS, WRITES = 100, 25  # in one batch
UNPROCESSED_TRIES = 8
SHARDS_AT_ONCE = 50
SORT_BYTES = 1_000  # of a sort key: 1,024 at most
READY_S = 60.0


class DynamoConnections:
    """See the Connections port."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo, self._table = dynamo, table

    # connections
    def connection(self, id: str) -> Connection | None:
        """The row of a connection."""
        item = self._get(f"c#{id}", CONNECTION)
        return connection_of(item) if item else None

    def put_connection(self, row: Connection) -> Connection | None:
        """Store it if nobody was first."""
        stamped = msgspec.structs.replace(row, stamp=secrets.token_hex(8))
        stored = self._put(f"c#{row.id}", CONNECTION, item_of(stamped) | sweep_of(row.due, self._spread(row.id)), row.stamp, stamped.stamp)
        return stamped if stored else None

    def drop_connection(self, id: str) -> bool:
        """The row goes."""
        told = self._call("DeleteItem", Key=_key(f"c#{id}", CONNECTION), ReturnValues="ALL_OLD")
        return "Attributes" in told

    # operations
    def operation(self, connection: str, id: str) -> Operation | None:
        """The row of an operation."""
        item = self._get(f"c#{connection}", _sort(id))
        return operation_of(item) if item else None

    def operations(self, connection: str) -> list[Operation]:
        """All operation rows of a connection."""
        asked = {
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :o)",
            "ExpressionAttributeValues": {":pk": {"S": f"c#{connection}"}, ":o": {"S": OPERATION}},
            "ConsistentRead": True,
        }
        return [operation_of(item) for item in self._pages("Query", asked)]

    def operations_of(self, ids: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Operation]:
        """Those that are there."""
        found: dict[tuple[str, str], Operation] = {}
        keys = [_key(f"c#{connection}", _sort(id)) for connection, id in dict.fromkeys(ids)]
        for batch in _batches(keys, GETS):
            for item in self._batch_get(batch):
                row = operation_of(item)
                found[row.connection, row.id] = row
        return found

    def put_operation(self, row: Operation) -> Operation | None:
        """Store it if nobody was first."""
        stamped = msgspec.structs.replace(row, stamp=secrets.token_hex(8))
        item = item_of(stamped) | sweep_of(row.due, self._spread(row.connection))
        return stamped if self._put(f"c#{row.connection}", _sort(row.id), item, row.stamp, stamped.stamp) else None

    def drop_operation(self, row: Operation) -> bool:
        """The row goes if nobody was first; so it does when only the answer to an earlier try was lost."""
        if not row.stamp:
            return False
        try:
            self._call(
                "DeleteItem",
                Key=_key(f"c#{row.connection}", _sort(row.id)),
                ConditionExpression="stamp = :stamp",
                ExpressionAttributeValues={":stamp": {"S": row.stamp}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except Failed as failed:
            return failed.tried and not failed.item
        return True

    def everyone(self, after: str, limit: int) -> tuple[list[Operation], str]:
        """A page of a walk over the whole table."""
        asked: dict[str, Any] = {
            "FilterExpression": "begins_with(sk, :o) AND #state = :live",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": {":o": {"S": OPERATION}, ":live": {"S": "live"}},
            "ConsistentRead": True,
            "Limit": limit,
        }
        told = self._call("Scan", **asked | ({"ExclusiveStartKey": msgspec.json.decode(after)} if after else {}))
        last = told.get("LastEvaluatedKey")
        return [operation_of(item) for item in told["Items"]], msgspec.json.encode(last).decode() if last else ""

    # who follows what
    def follow(self, followers: Sequence[Follower]) -> None:
        """Put rows into the index."""
        self._batch_write({"PutRequest": {"Item": _follower_item(each)}} for each in dict.fromkeys(followers))

    def unfollow(self, followers: Sequence[Follower]) -> None:
        """Take rows out of the index."""
        self._batch_write({"DeleteRequest": {"Key": _follower_key(each)}} for each in dict.fromkeys(followers))

    def followers(self, topic: str, after: str, limit: int) -> tuple[list[Follower], str]:
        """A page of a topic's followers, read from the table itself."""
        asked: dict[str, Any] = {
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": f"t#{topic}"}},
            "ConsistentRead": True,
            "Limit": limit,
        }
        told = self._call("Query", **asked | ({"ExclusiveStartKey": _key(f"t#{topic}", after)} if after else {}))
        last = told.get("LastEvaluatedKey")
        return [_follower_of(topic, item) for item in told["Items"]], last["sk"]["S"] if last else ""

    def note(self, part: str, columns: Sequence[str]) -> None:
        """Somebody may follow these."""
        if columns:
            self._call(
                "UpdateItem",
                Key=_key(f"n#{part}", "."),
                UpdateExpression="ADD #columns :columns",
                ExpressionAttributeNames={"#columns": "columns"},
                ExpressionAttributeValues={":columns": {"SS": sorted(set(columns))}},
            )

    def noted(self, part: str) -> frozenset[str]:
        """The columns that were ever noted."""
        item = self._get(f"n#{part}", ".")
        return frozenset(item["columns"]["SS"]) if item else frozenset()

    def keep_cohort(self, cohort: str, data: bytes, until: float) -> None:
        """Keep it, or keep it longer."""
        try:
            self._call(
                "UpdateItem",
                Key=_key(f"h#{cohort}", "."),
                UpdateExpression="SET #data = :data, #ttl = :ttl",
                ConditionExpression="attribute_not_exists(pk) OR #ttl < :ttl",
                ExpressionAttributeNames={"#data": "data", "#ttl": "ttl"},
                ExpressionAttributeValues={":data": {"B": _binary(data)}, ":ttl": {"N": str(int(until))}},
            )
        except Failed:
            return  # it stays longer anyway

    def cohort(self, cohort: str) -> bytes | None:
        """What a cohort shares."""
        item = self._get(f"h#{cohort}", ".")
        return msgspec.json.decode(f'"{item["data"]["B"]}"', type=bytes) if item else None

    # how far changes were pushed
    def begin(self, group: str, generation: int, numbers: Mapping[int, int]) -> None:
        """Unless it has begun already."""
        item = _key(f"p#{group}#{generation}", ".") | {f"s{shard}": {"N": str(number)} for shard, number in numbers.items()}
        try:
            self._call("PutItem", Item=item, ConditionExpression="attribute_not_exists(pk)")
        except Failed:
            return

    def pushed(self, group: str, generation: int) -> dict[int, int] | None:
        """Per shard, the last pushed number."""
        item = self._get(f"p#{group}#{generation}", ".")
        return {int(name[1:]): int(value["N"]) for name, value in item.items() if name not in ("pk", "sk")} if item else None

    def advance(self, group: str, generation: int, numbers: Mapping[int, int]) -> None:
        """Never back: all at once, or where one of them is further already, each by itself."""
        for batch in _batches(list(numbers.items()), SHARDS_AT_ONCE):
            try:
                self._advance(group, generation, batch)
            except Failed:
                for one in batch if len(batch) > 1 else ():
                    try:
                        self._advance(group, generation, [one])
                    except Failed:
                        continue

    def _advance(self, group: str, generation: int, numbers: Sequence[tuple[int, int]]) -> None:
        self._call(
            "UpdateItem",
            Key=_key(f"p#{group}#{generation}", "."),
            UpdateExpression="SET " + ", ".join(f"s{shard} = :n{shard}" for shard, _ in numbers),
            ConditionExpression=" AND ".join(f"(attribute_not_exists(s{shard}) OR s{shard} < :n{shard})" for shard, _ in numbers),
            ExpressionAttributeValues={f":n{shard}": {"N": str(number)} for shard, number in numbers},
        )

    # sweeping
    def due(self, now: float, limit: int) -> list[Connection | Operation]:
        """What has come due, by an index that may lag."""
        rows: list[Connection | Operation] = []
        for sweep in range(SWEEPS):
            told = self._call(
                "Query",
                IndexName=INDEX,
                KeyConditionExpression="sweep = :sweep AND due <= :now",
                ExpressionAttributeValues={":sweep": {"S": str(sweep)}, ":now": {"N": repr(now)}},
                Limit=limit,
            )
            rows += [connection_of(item) if item["sk"]["S"] == CONNECTION else operation_of(item) for item in told["Items"]]
        return sorted(rows, key=lambda row: row.due)[:limit]

    def count(self) -> dict[str, int]:
        """How many rows there are; reads the whole table."""
        counts = {"connections": 0, "operations": 0, "tombstones": 0, "followers": 0}
        for item in self._pages("Scan", {"ConsistentRead": True}):
            if item["pk"]["S"].startswith("t#"):
                counts["followers"] += 1
            elif item["sk"]["S"] == CONNECTION and item["pk"]["S"].startswith("c#"):
                counts["connections"] += 1
            elif item["sk"]["S"].startswith(OPERATION):
                counts["tombstones" if item["state"]["S"] == "tombstone" else "operations"] += 1
        return counts

    def close(self) -> None:
        """Give connections back."""
        self._dynamo.close()

    def ensure(self, sleep: Callable[[float], None] = time.sleep) -> None:
        """Make the table where no stack does; one that is there stays as it is."""
        names = ("pk", "S"), ("sk", "S"), ("sweep", "S"), ("due", "N")
        try:
            self._call(
                "CreateTable",
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": type} for name, type in names],
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
                GlobalSecondaryIndexes=[
                    {
                        "IndexName": INDEX,
                        "KeySchema": [{"AttributeName": "sweep", "KeyType": "HASH"}, {"AttributeName": "due", "KeyType": "RANGE"}],
                        "Projection": {"ProjectionType": "ALL"},
                    }
                ],
                BillingMode="PAY_PER_REQUEST",
            )
        except Unavailable as error:
            if "ResourceInUseException" not in str(error):
                raise
        until = time.monotonic() + READY_S
        while self._call("DescribeTable")["Table"]["TableStatus"] != "ACTIVE":
            if time.monotonic() > until:
                raise Misconfigured(f"table {self._table!r} did not become active within {READY_S:.0f} s")
            sleep(0.2)

    # requests
    def _call(self, operation: str, **asked: Any) -> dict[str, Any]:
        return self._dynamo.call(operation, {"TableName": self._table, **asked}).body

    def _get(self, pk: str, sk: str) -> Item | None:
        return self._call("GetItem", Key=_key(pk, sk), ConsistentRead=True).get("Item")

    def _put(self, pk: str, sk: str, item: Item, before: str, after: str) -> bool:
        """Whether the condition held; it did, too, if an earlier try of this very put was carried out and only its answer was lost."""
        held = (
            {"ConditionExpression": "stamp = :stamp", "ExpressionAttributeValues": {":stamp": {"S": before}}}
            if before
            else {"ConditionExpression": "attribute_not_exists(pk)"}
        )
        try:
            self._call("PutItem", Item=_key(pk, sk) | item, ReturnValuesOnConditionCheckFailure="ALL_OLD", **held)
        except Failed as failed:
            return failed.tried and failed.item is not None and failed.item.get("stamp") == {"S": after}
        return True

    def _pages(self, operation: str, asked: Mapping[str, Any]) -> Iterator[Item]:
        last: Any = None
        while True:
            told = self._call(operation, **asked, **({"ExclusiveStartKey": last} if last else {}))
            yield from told["Items"]
            last = told.get("LastEvaluatedKey")
            if not last:
                return

    def _batch_get(self, keys: list[Item]) -> Iterator[Item]:
        asked: dict[str, Any] = {self._table: {"Keys": keys, "ConsistentRead": True}}
        for tries in range(UNPROCESSED_TRIES):
            told = self._dynamo.call("BatchGetItem", {"RequestItems": asked}).body
            yield from told["Responses"].get(self._table, [])
            asked = told.get("UnprocessedKeys") or {}
            if not asked:
                return
            time.sleep(0.02 * 2**tries)
        raise Unavailable("DynamoDB left reads of a batch undone, again and again")

    def _batch_write(self, requests: Iterable[dict[str, Any]]) -> None:
        for batch in _batches(list(requests), WRITES):
            asked: dict[str, Any] = {self._table: batch}
            for tries in range(UNPROCESSED_TRIES):
                asked = self._dynamo.call("BatchWriteItem", {"RequestItems": asked}).body.get("UnprocessedItems") or {}
                if not asked:
                    break
                time.sleep(0.02 * 2**tries)
            else:
                raise Unavailable("DynamoDB left writes of a batch undone, again and again")

    def _spread(self, id: str) -> str:
        return str(crc32(id.encode()) % SWEEPS)


def _key(pk: str, sk: str) -> Item:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _sort(id: str) -> str:
    """The sort key of an operation; a very long id is named by its hash."""
    name = OPERATION + id
    return name if len(name.encode()) <= SORT_BYTES else f"{OPERATION}sha256:{sha256(id.encode()).hexdigest()}"


def _binary(data: bytes) -> str:
    return msgspec.json.encode(data).decode().strip('"')


def _follower_key(each: Follower) -> Item:
    return _key(f"t#{each.topic}", f"{each.connection}\0{each.instance}")


def _follower_item(each: Follower) -> Item:
    return _follower_key(each) | {"operation": {"S": each.operation}, "cohort": {"S": each.cohort}}


def _follower_of(topic: str, item: Item) -> Follower:
    connection, _, instance = item["sk"]["S"].partition("\0")
    return Follower(topic, connection, item["operation"]["S"], instance, item["cohort"]["S"])


def _batches[T](items: list[T], size: int) -> Iterator[list[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
