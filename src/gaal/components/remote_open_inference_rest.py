"""A unit at a server of the Open Inference Protocol V2, called over REST. Tensors go as JSON: all servers read that."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from gaal.components.remote_headers import OF_A_GATEWAY
from gaal.components.remote_model import FarModel, ModelUnit, well
from gaal.components.remote_rest import RestUnit
from gaal.executor.context import Context
from gaal.messages import Message, ModelMetadata
from gaal.protocols.open_inference import metadata, rest
from gaal.protocols.open_inference.inference import message_of, request_of


class OpenInferenceRestUnit(ModelUnit, RestUnit):
    """The arguments beside the model are those of `RestUnit`."""

    def __init__(self, model: FarModel, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.model = model
        version = f"/versions/{quote(model.version, safe='')}" if model.version else ""
        self._path = f"/v2/models/{quote(model.name, safe='')}{version}"

    async def _predicted(self, message: Message, context: Context) -> Message:
        request, _ = rest.encode_request(request_of(message, self.model.name, puid=context.puid))
        return await self._asked(
            f"{self._path}/infer", request, context, lambda body: message_of(rest.decode_reply(body), context.encoding)
        )

    async def metadata(self) -> ModelMetadata:
        return await self._asked(self._path, None, Context(""), metadata.metadata_of_json)

    async def health(self, context: Context) -> Message:
        await self._checked(f"{self._path}/ready", context)
        return well(context)

    def _headers_of(self, context: Context) -> dict[str, str]:
        return {name: value for name, value in super()._headers_of(context).items() if name not in OF_A_GATEWAY}
