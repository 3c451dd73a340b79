"""qdrant-client's local mode, made to do what the engine does with a multivector and local mode refuses.

A dense vector is one row of a multivector wherever it stands: in an upsert, in `update_vectors`, as a query, in a
prefetch, as an example. So it was tried on a real Qdrant 1.18.3, over REST and gRPC.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from qdrant_client import QdrantClient, models
from qdrant_client.local.local_collection import DEFAULT_VECTOR_NAME, LocalCollection
from qdrant_client.local.qdrant_local import QdrantLocal


class EngineCollection(LocalCollection):
    """A collection of local mode that takes a dense vector for a multivector of one row."""

    def expand(self, vector: Any, name: str | None) -> Any:
        """``vector``, which is of the vector ``name``, as rows where that is a multivector."""
        is_dense = isinstance(vector, list) and bool(vector) and not isinstance(vector[0], list)
        return [vector] if is_dense and (name or DEFAULT_VECTOR_NAME) in self.multivectors else vector

    def _validate_point(self, point: models.PointStruct) -> models.PointStruct:
        return super()._validate_point(point.model_copy(update={"vector": self._expand_all(point.vector)}))

    def _update_point(self, point: models.PointStruct) -> None:
        """As `_add_point` does it, in float32: the same rows are the same to the last bit, however often written."""
        vectors = point.vector if isinstance(point.vector, dict) else {DEFAULT_VECTOR_NAME: point.vector}
        exact = {
            name: np.array(vector, dtype=np.float32) if name in self.multivectors else vector
            for name, vector in vectors.items()
        }
        super()._update_point(point.model_copy(update={"vector": exact}))

    def _validate_named_vectors(self, vectors: Any) -> Any:
        return super()._validate_named_vectors(self._expand_all(vectors))

    def search(self, query_vector: Any, *args: Any, **options: Any) -> Any:
        if isinstance(query_vector, tuple):
            name, vector = query_vector
            query_vector = (name, self.expand(vector, name))
        return super().search(query_vector, *args, **options)

    def recommend(self, positive: Any = None, negative: Any = None, using: str | None = None, **options: Any) -> Any:
        examples = [[self.expand(vector, using) for vector in vectors or ()] for vectors in (positive, negative)]
        return super().recommend(*examples, using=using, **options)

    def discover(self, target: Any = None, context: Any = None, using: str | None = None, **options: Any) -> Any:
        pairs = [
            models.ContextPair(
                positive=self.expand(pair.positive, using),
                negative=self.expand(pair.negative, using),
            )
            for pair in context or ()
        ]
        return super().discover(self.expand(target, using), pairs, using=using, **options)

    def _search_with_mmr(self, query_vector: Any, using: str | None = None, **options: Any) -> Any:
        return super()._search_with_mmr(query_vector=self.expand(query_vector, using), using=using, **options)

    def _expand_all(self, vectors: Any) -> Any:
        if isinstance(vectors, dict):
            return {name: self.expand(vector, name) for name, vector in vectors.items()}
        return self.expand(vectors, DEFAULT_VECTOR_NAME)


class EngineLocal(QdrantLocal):
    """Local mode with collections of that kind."""

    def create_collection(self, collection_name: str, *args: Any, **options: Any) -> bool:
        made = super().create_collection(collection_name, *args, **options)
        self.collections[collection_name].__class__ = EngineCollection
        return made


def engine_client() -> QdrantClient:
    """A client of an empty engine in memory, which several threads may share."""
    client = QdrantClient(":memory:")
    client._client = EngineLocal(":memory:", force_disable_check_same_thread=True)
    return client
