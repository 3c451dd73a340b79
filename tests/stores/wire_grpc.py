"""The gRPC side of `WireServer`: the calls that the store makes, over the same collections.

    with WireServer() as server, GrpcServer(server) as grpc_server:
        settings = StoreSettings(spec=server.url, grpc=True, grpc_port=grpc_server.port, collection="docs")

`codes` is its script: status codes with which the next calls fail before they do anything.
"""

from __future__ import annotations

from concurrent import futures
from typing import Any

import grpc
from qdrant_client import grpc as messages
from qdrant_client import models
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc

from tests.stores.wire import CollectionSettings, WireServer


class GrpcServer:
    """A gRPC server on a free port in front of ``wire``'s collections; `calls` are the methods called."""

    def __init__(self, wire: WireServer) -> None:
        self.codes: list[grpc.StatusCode | None] = []
        self.calls: list[str] = []
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=1), interceptors=[_Script(self)])
        messages.add_QdrantServicer_to_server(_Root(wire), self._server)
        messages.add_CollectionsServicer_to_server(_Collections(wire), self._server)
        messages.add_PointsServicer_to_server(_Points(wire), self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    def __enter__(self) -> GrpcServer:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0).wait()


class _Script(grpc.ServerInterceptor):
    def __init__(self, server: GrpcServer) -> None:
        self._owner = server

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        self._owner.calls.append(details.method.rpartition("/")[2])
        code = self._owner.codes.pop(0) if self._owner.codes else None
        handler = continuation(details)

        def serve(request: Any, context: Any) -> Any:
            if code is not None:
                context.abort(code, "by script")
            try:
                return handler.unary_unary(request, context)
            except ValueError as error:
                known = {"not found": grpc.StatusCode.NOT_FOUND, "already exists": grpc.StatusCode.ALREADY_EXISTS}
                codes = [value for text, value in known.items() if text in str(error)]
                context.abort([*codes, grpc.StatusCode.INVALID_ARGUMENT][0], str(error))

        return grpc.unary_unary_rpc_method_handler(
            serve,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )


class _Root(messages.QdrantServicer):
    def __init__(self, wire: WireServer) -> None:
        self._wire = wire

    def HealthCheck(self, request, context):  # noqa: N802
        return messages.HealthCheckReply(title="wire", version=self._wire.version)


class _Collections(messages.CollectionsServicer):
    def __init__(self, wire: WireServer) -> None:
        self._wire = wire

    def Get(self, request, context):  # noqa: N802
        info = models.CollectionInfo(**self._wire._describe(request.collection_name, None))
        return messages.GetCollectionInfoResponse(result=RestToGrpc.convert_collection_info(info))

    def Create(self, request, context):  # noqa: N802
        self._wire.local.create_collection(
            request.collection_name,
            vectors_config=GrpcToRest.convert_vectors_config(request.vectors_config),
            metadata=GrpcToRest.convert_payload(request.metadata),
        )
        self._wire.settings[request.collection_name] = CollectionSettings()
        return messages.CollectionOperationResponse(result=True)

    def Update(self, request, context):  # noqa: N802
        body: dict[str, Any] = {}
        if len(request.metadata) > 0:
            body["metadata"] = GrpcToRest.convert_payload(request.metadata)
        if request.HasField("optimizers_config"):
            body["optimizers_config"] = {"indexing_threshold": request.optimizers_config.indexing_threshold}
        return messages.CollectionOperationResponse(result=self._wire._change(request.collection_name, body))


class _Points(messages.PointsServicer):
    def __init__(self, wire: WireServer) -> None:
        self._wire, self._local = wire, wire.local

    def Upsert(self, request, context):  # noqa: N802
        self._local.upsert(
            request.collection_name,
            [GrpcToRest.convert_point_struct(row) for row in request.points],
            update_filter=_filter(request.update_filter),
        )
        return _completed()

    def UpdateVectors(self, request, context):  # noqa: N802
        points = [GrpcToRest.convert_point_vectors(row) for row in request.points]
        self._local.update_vectors(request.collection_name, points, update_filter=_filter(request.update_filter))
        return _completed()

    def Delete(self, request, context):  # noqa: N802
        self._local.delete(request.collection_name, GrpcToRest.convert_points_selector(request.points))
        return _completed()

    def CreateFieldIndex(self, request, context):  # noqa: N802
        self._wire._index(request.collection_name, {"field_name": request.field_name, "field_schema": "keyword"})
        return _completed()

    def Get(self, request, context):  # noqa: N802
        records = self._local.retrieve(
            request.collection_name,
            [GrpcToRest.convert_point_id(identity) for identity in request.ids],
            with_payload=GrpcToRest.convert_with_payload_selector(request.with_payload),
            with_vectors=GrpcToRest.convert_with_vectors_selector(request.with_vectors),
        )
        return messages.GetResponse(result=[RestToGrpc.convert_retrieved_point(record) for record in records])

    def Scroll(self, request, context):  # noqa: N802
        records, following = self._local.scroll(
            request.collection_name,
            scroll_filter=_filter(request.filter),
            limit=request.limit,
            offset=GrpcToRest.convert_point_id(request.offset) if request.HasField("offset") else None,
            with_payload=GrpcToRest.convert_with_payload_selector(request.with_payload),
            with_vectors=GrpcToRest.convert_with_vectors_selector(request.with_vectors),
        )
        return messages.ScrollResponse(
            result=[RestToGrpc.convert_retrieved_point(_with_payload(record)) for record in records],
            next_page_offset=None if following is None else RestToGrpc.convert_extended_point_id(following),
        )

    def Count(self, request, context):  # noqa: N802
        count = self._local.count(request.collection_name).count
        return messages.CountResponse(result=messages.CountResult(count=count))

    def Query(self, request, context):  # noqa: N802
        return messages.QueryResponse(result=self._scored(request.collection_name, [request])[0])

    def QueryBatch(self, request, context):  # noqa: N802
        answers = self._scored(request.collection_name, request.query_points)
        return messages.QueryBatchResponse(result=[messages.BatchResult(result=points) for points in answers])

    def QueryGroups(self, request, context):  # noqa: N802
        found = self._local.query_points_groups(
            request.collection_name,
            group_by=request.group_by,
            query=GrpcToRest.convert_query(request.query),
            using=request.using or None,
            limit=request.limit,
            group_size=request.group_size,
        )
        return messages.QueryGroupsResponse(result=RestToGrpc.convert_groups_result(found))

    def Search(self, request, context):  # noqa: N802
        query = messages.QueryPoints(
            query=messages.Query(nearest=messages.VectorInput(dense=messages.DenseVector(data=request.vector))),
            using=request.vector_name or None,
            limit=request.limit,
        )
        return messages.SearchResponse(result=self._scored(request.collection_name, [query])[0])

    def _scored(self, name: str, asked: Any) -> list[list[Any]]:
        queries = [GrpcToRest.convert_query_points(query) for query in asked]
        for query in queries:
            query.params = None  # local mode is always exact, and warns when told to be
        answers = self._local.query_batch_points(name, queries)
        return [[RestToGrpc.convert_scored_point(point) for point in answer.points] for answer in answers]


def _with_payload(record: models.Record) -> models.Record:
    return record if record.payload is not None else record.model_copy(update={"payload": {}})


def _filter(condition: Any) -> models.Filter | None:
    return GrpcToRest.convert_filter(condition) if condition.ListFields() else None


def _completed() -> Any:
    result = messages.UpdateResult(operation_id=0, status=messages.UpdateStatus.Completed)
    return messages.PointsOperationResponse(result=result)
