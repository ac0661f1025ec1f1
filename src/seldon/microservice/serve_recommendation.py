"""Serves a recommender over REST: `python -m seldon.microservice.serve_recommendation --recommender FOLDER`."""

from __future__ import annotations

from collections.abc import Sequence

from seldon.microservice import Microservices
from seldon.microservice.script_arguments import add_flag, log_to_standard_error, parser_of


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of("recommendation")
    add_flag(parser, "recommender", "the folder or URL of the recommender")
    add_flag(parser, "memcache-servers", "as one:11211,other:11211", required=False)
    parser.add_argument("--memcache-pool-size", "--memcache_pool_size", type=int, default=2, help="connections to each")
    given = parser.parse_args(arguments)
    log_to_standard_error()
    microservices = Microservices(aws_key=given.aws_key, aws_secret=given.aws_secret)
    microservices.create_recommendation_microservice(
        given.recommender, given.memcache_servers, given.memcache_pool_size
    ).run()


if __name__ == "__main__":
    main()
