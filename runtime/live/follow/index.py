"""The inverted index from topics to whoever follows them: a change costs work for those it can concern, however many there are besides."""

from collections.abc import Hashable, Iterable

from runtime.live.follow.matching import Moved
from runtime.live.follow.topics import Topic, column_of, topics_of_change


class Index[F: Hashable]:
    """Followers by topic. The columns that anybody is indexed on are counted per part, so that others are never looked at."""

    __slots__ = ("_columns", "_followers")

    def __init__(self) -> None:
        self._followers: dict[Topic, dict[F, None]] = {}  # in the order they came
        self._columns: dict[str, dict[str, int]] = {}  # part -> column -> topics

    def add(self, follower: F, topics: Iterable[Topic]) -> None:
        """From now on it is found under these topics."""
        for topic in topics:
            followers = self._followers.get(topic)
            if followers is None:
                followers = self._followers[topic] = {}
                self._count(topic, 1)
            followers[follower] = None

    def remove(self, follower: F, topics: Iterable[Topic]) -> None:
        """It is not found under these any more; what is not there does no harm."""
        for topic in topics:
            followers = self._followers.get(topic)
            if followers is None:
                continue
            followers.pop(follower, None)
            if not followers:
                del self._followers[topic]
                self._count(topic, -1)

    def _count(self, topic: Topic, by: int) -> None:
        part, column = topic.partition("/")[0], column_of(topic)
        columns = self._columns.setdefault(part, {})
        columns[column] = columns.get(column, 0) + by
        if not columns[column]:
            del columns[column]
        if not columns:
            del self._columns[part]

    def follows(self, part: str) -> bool:
        """Whether anybody follows rows of this part."""
        return part in self._columns

    def find(self, moved: Moved) -> list[F]:
        """Who follows one of the change's topics, each once, in the order they came per topic."""
        columns = self._columns.get(moved.part)
        if columns is None:
            return []
        found: dict[F, None] = {}
        for topic in topics_of_change(moved, [column for column in columns if column]):
            followers = self._followers.get(topic)
            if followers:
                found.update(followers)
        return list(found)
