"""Server reflection: what services there are and how their messages are built, for clients without the `.proto` files.

The versions `v1` and `v1alpha` differ in nothing but the name of their package.
Source: "GRPC Server Reflection Protocol" of the gRPC project.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection
from typing import Any

from google.protobuf.message import DecodeError

from gaal.errors import MessageError, NotFound
from gaal.protocols.descriptors import file_by_name, file_containing_symbol, message_class
from gaal.transport.errors import GrpcCode
from gaal.transport.grpc import Call, Method, StreamingMethod

PACKAGES = ("grpc.reflection.v1", "grpc.reflection.v1alpha")


class Reflection:
    """Tells of services by their full names, such as `seldon.protos.Seldon`. Adds itself to `services`."""

    def __init__(self, services: Collection[str]) -> None:
        self.services = sorted({*services, *(f"{package}.ServerReflection" for package in PACKAGES)})

    def methods(self) -> dict[str, Method]:
        return {
            f"/{package}.ServerReflection/ServerReflectionInfo": StreamingMethod(_Version(package, self.services).info)
            for package in PACKAGES
        }


class _Version:
    """The one method, in the messages of one version."""

    def __init__(self, package: str, services: Collection[str]) -> None:
        self._services = services
        self._request: Any = message_class(f"{package}.ServerReflectionRequest")
        self._response: Any = message_class(f"{package}.ServerReflectionResponse")

    async def info(self, requests: AsyncIterator[bytes], call: Call) -> AsyncGenerator[bytes, None]:
        """One response for each request, in their order. What is not there is told in a response, not as an error."""
        async for body in requests:
            try:
                request = self._request.FromString(body)
            except DecodeError:
                raise MessageError("the message is not a ServerReflectionRequest") from None
            response = self._response(valid_host=request.host, original_request=request)
            try:
                self._answer(request, response)
            except NotFound as error:
                response.error_response.error_code = GrpcCode.NOT_FOUND.value
                response.error_response.error_message = str(error)
            yield response.SerializeToString()

    def _answer(self, request: Any, response: Any) -> None:
        """Raises NotFound."""
        match request.WhichOneof("message_request"):
            case "list_services":
                for name in self._services:
                    response.list_services_response.service.add(name=name)
            case "file_by_filename":
                response.file_descriptor_response.file_descriptor_proto.extend(file_by_name(request.file_by_filename))
            case "file_containing_symbol":
                found = file_containing_symbol(request.file_containing_symbol)
                response.file_descriptor_response.file_descriptor_proto.extend(found)
            case "file_containing_extension":
                asked = request.file_containing_extension
                raise NotFound(f"{asked.containing_type} has no extension {asked.extension_number}: proto3 has none")
            case "all_extension_numbers_of_type":
                message_class(request.all_extension_numbers_of_type)
                response.all_extension_numbers_response.base_type_name = request.all_extension_numbers_of_type
            case _:
                raise NotFound("the request asks for nothing")
