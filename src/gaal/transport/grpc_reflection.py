"""Server reflection: what services there are and how their messages are built, for clients without the `.proto` files.

Whoever shows a token is told of the message types too that its client registered; others are not.

The versions `v1` and `v1alpha` differ in nothing but the name of their package.
Source: "GRPC Server Reflection Protocol" of the gRPC project.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

from google.protobuf.message import DecodeError

from gaal.errors import MessageError, NotFound
from gaal.protocols import descriptors
from gaal.protocols.descriptors import message_class
from gaal.protocols.own_types import NO_TYPES, OwnTypes
from gaal.transport.errors import GrpcCode
from gaal.transport.grpc import Call, Method, StreamingMethod

TypesOf: TypeAlias = Callable[[Call], Awaitable[OwnTypes | None]]
"""What the client of a call has registered; None where the call shows no token."""

PACKAGES = ("grpc.reflection.v1", "grpc.reflection.v1alpha")


class Reflection:
    """Tells of services by their full names, such as `seldon.protos.Seldon`. Adds itself to `services`."""

    def __init__(self, services: Collection[str], types_of: TypesOf | None = None) -> None:
        self._types_of = types_of
        self.services = sorted({*services, *(f"{package}.ServerReflection" for package in PACKAGES)})

    def methods(self) -> dict[str, Method]:
        return {
            f"/{package}.ServerReflection/ServerReflectionInfo": StreamingMethod(
                _Version(package, self.services, self._types_of).info, reads=True
            )
            for package in PACKAGES
        }


class _Version:
    """The one method, in the messages of one version."""

    def __init__(self, package: str, services: Collection[str], types_of: TypesOf | None) -> None:
        self._services = services
        self._types_of = types_of
        self._request: Any = message_class(f"{package}.ServerReflectionRequest")
        self._response: Any = message_class(f"{package}.ServerReflectionResponse")

    async def info(self, requests: AsyncIterator[bytes], call: Call) -> AsyncGenerator[bytes, None]:
        """One response for each request, in their order. What is not there is told in a response, not as an error."""
        types = (await self._types_of(call) if self._types_of is not None else None) or NO_TYPES
        async for body in requests:
            try:
                request = self._request.FromString(body)
            except DecodeError:
                raise MessageError("the message is not a ServerReflectionRequest") from None
            response = self._response(valid_host=request.host, original_request=request)
            try:
                self._answer(request, response, types)
            except NotFound as error:
                response.error_response.error_code = GrpcCode.NOT_FOUND.value
                response.error_response.error_message = str(error)
            yield response.SerializeToString()

    def _answer(self, request: Any, response: Any, types: OwnTypes) -> None:
        """Raises NotFound."""
        match request.WhichOneof("message_request"):
            case "list_services":
                for name in self._services:
                    response.list_services_response.service.add(name=name)
            case "file_by_filename":
                found = _file_by_name(request.file_by_filename, types)
                response.file_descriptor_response.file_descriptor_proto.extend(found)
            case "file_containing_symbol":
                found = _file_containing_symbol(request.file_containing_symbol, types)
                response.file_descriptor_response.file_descriptor_proto.extend(found)
            case "file_containing_extension":
                asked = request.file_containing_extension
                raise NotFound(f"{asked.containing_type} has no extension {asked.extension_number}: proto3 has none")
            case "all_extension_numbers_of_type":
                if types.types.get(request.all_extension_numbers_of_type) is None:
                    message_class(request.all_extension_numbers_of_type)
                response.all_extension_numbers_response.base_type_name = request.all_extension_numbers_of_type
            case _:
                raise NotFound("the request asks for nothing")


def _file_by_name(name: str, types: OwnTypes) -> Sequence[bytes]:
    """The server's file of this name, else the client's. Raises NotFound."""
    with suppress(NotFound):
        return descriptors.file_by_name(name)
    return types.types.file_by_name(name)


def _file_containing_symbol(symbol: str, types: OwnTypes) -> Sequence[bytes]:
    with suppress(NotFound):
        return descriptors.file_containing_symbol(symbol)
    return types.types.file_containing_symbol(symbol)
