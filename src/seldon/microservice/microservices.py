"""Makes microservices out of folders: what `PipelineWrapper` and its like have saved there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seldon.microservice.app import MicroserviceApp
    from seldon.microservice.rpc import CustomDataHandler


class Microservices:
    """Each method loads a folder, local or remote, and raises FileNotFoundError or ValueError where it cannot.

    Loading unpickles, so a folder must be one you trust. `aws_key` and `aws_secret` are for folders at `s3://`.
    """

    def __init__(self, aws_key: str | None = None, aws_secret: str | None = None) -> None:
        self.aws_key = aws_key
        self.aws_secret = aws_secret

    def create_prediction_microservice(self, pipeline_folder: str, model_name: str) -> MicroserviceApp:
        """A Flask app that answers `/predict`. It is the caller who runs it: `app.run(host="0.0.0.0")`."""
        from seldon.microservice.model import ServedModel
        from seldon.microservice.predict import prediction_app

        return prediction_app(ServedModel(self._pipeline(pipeline_folder), model_name))

    def create_prediction_rpc_microservice(
        self,
        pipeline_folder: str,
        model_name: str,
        custom_data_handler: CustomDataHandler | None = None,
        port: int | None = None,
    ) -> None:
        """Serves predictions over gRPC until SIGTERM or Ctrl-C, and then answers what is under way.

        The handler makes of a request what the pipeline takes. The default one takes a DefaultCustomPredictRequest.
        The port is 5000; the variables GAAL_MICROSERVICE_PORT and GAAL_MICROSERVICE_HOST win over everything.
        """
        from seldon.microservice.address import chosen_host, chosen_port
        from seldon.microservice.rpc import DefaultCustomDataHandler, RpcClassifier
        from seldon.microservice.rpc_server import rpc_server
        from seldon.microservice.stopping import until_stopped

        handler = custom_data_handler or DefaultCustomDataHandler()
        servicer = RpcClassifier(self._pipeline(pipeline_folder), model_name, handler)
        with until_stopped(), rpc_server(servicer, chosen_host(), chosen_port(port)) as (server, _):
            server.wait_for_termination()

    def create_recommendation_microservice(
        self, recommender_folder: str, memcache_servers: str | None = None, memcache_pool_size: int = 2
    ) -> MicroserviceApp:
        """A Flask app that answers `/recommend`. `memcache_servers` is a list such as `one:11211,other:11211`."""
        from seldon.microservice.memcached import Memcached
        from seldon.microservice.recommend import recommendation_app
        from seldon.recommender import RecommenderWrapper

        wrapper = RecommenderWrapper(aws_key=self.aws_key, aws_secret=self.aws_secret)
        candidates = Memcached(memcache_servers, memcache_pool_size) if memcache_servers else None
        return recommendation_app(wrapper.load_recommender(recommender_folder), candidates)

    def create_extension_microservice(self, extension_folder: str) -> MicroserviceApp:
        """A Flask app that answers `/extension`."""
        from seldon.extension import ExtensionWrapper
        from seldon.microservice.extension import extension_app

        wrapper = ExtensionWrapper(aws_key=self.aws_key, aws_secret=self.aws_secret)
        return extension_app(wrapper.load_extension(extension_folder))

    def _pipeline(self, folder: str) -> Any:
        from seldon.pipeline.util import PipelineWrapper

        return PipelineWrapper(aws_key=self.aws_key, aws_secret=self.aws_secret).load_pipeline(folder)
