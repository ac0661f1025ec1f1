"""A unit at TensorFlow Serving, or a server that speaks as it does, called over REST."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from gaal.components.remote_headers import OF_A_GATEWAY
from gaal.components.remote_model import FarModel, ModelUnit, well
from gaal.components.remote_rest import RestUnit
from gaal.executor.context import Context
from gaal.messages import Message, ModelMetadata
from gaal.protocols.json_text import parse
from gaal.protocols.tensorflow_serving import rest, signatures


class TensorFlowRestUnit(ModelUnit, RestUnit):
    """The arguments beside the model are those of `RestUnit`."""

    def __init__(self, model: FarModel, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.model = model
        version = f"/versions/{quote(model.version, safe='')}" if model.version else ""
        self._path = f"/v1/models/{quote(model.name, safe='')}{version}"

    async def _predicted(self, message: Message, context: Context) -> Message:
        request = rest.encode_request(message, self.model.signature)
        return await self._asked(
            f"{self._path}:predict", request, context, lambda body: rest.decode_reply(body, self.model.output_name)
        )

    async def metadata(self) -> ModelMetadata:
        return await self._asked(f"{self._path}/metadata", None, Context(""), signatures.metadata_of_json)

    async def health(self, context: Context) -> Message:
        is_ready = await self._asked(self._path, None, context, lambda body: signatures.is_available(parse(body)))
        if not is_ready:
            place = self._calls.place(self._path)
            raise place.unavailable(f"the server says that model {self.model.name} is not available")
        return well(context)

    def _headers_of(self, context: Context) -> dict[str, str]:
        return {name: value for name, value in super()._headers_of(context).items() if name not in OF_A_GATEWAY}
