"""What the server keeps running for clients, and what runs of it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from gaal.storage import rows
from gaal.storage.clients_of import known
from gaal.storage.database import Database
from gaal.storage.records import Microservice, MicroserviceProcess
from gaal.storage.tables import microservices, processes

TOPIC = "microservices"
PROCESSES_TOPIC = "processes"


class Microservices:
    """What should run changes the topic `microservices`, what runs the topic `processes`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, microservice: Microservice) -> None:
        """In the place of the client's one of the same name. Raises NotFound where there is no such client."""
        self._database.write(lambda connection: _put(connection, microservice), TOPIC)

    def replace(self, client: str, wanted: Sequence[Microservice]) -> None:
        """The client has these and no others. Raises NotFound where there is no such client."""

        def operation(connection: Connection) -> None:
            rows.clear(connection, [microservices], client=client)
            for each in wanted:
                _put(connection, each)

        self._database.write(operation, TOPIC)

    def all(self) -> list[Microservice]:
        statement = rows.ordered(microservices)
        return self._database.read(lambda connection: rows.all_of(connection, Microservice, statement))

    def of(self, client: str) -> list[Microservice]:
        statement = rows.ordered(microservices).where(microservices.c.client == client)
        return self._database.read(lambda connection: rows.all_of(connection, Microservice, statement))

    def remove(self, client: str, name: str) -> bool:
        """Whether there was one."""
        return self._database.write(
            lambda connection: rows.clear(connection, [microservices], client=client, name=name) > 0, TOPIC
        )

    def put_process(self, process: MicroserviceProcess) -> None:
        """In the place of the one with the same machine, client, name and replica."""
        values = rows.values_of(process)
        self._database.write(lambda connection: rows.put(connection, processes, values), PROCESSES_TOPIC)

    def processes(self, machine: str | None = None) -> list[MicroserviceProcess]:
        """Those of one machine, or of all."""
        statement = rows.ordered(processes)
        if machine is not None:
            statement = statement.where(processes.c.machine == machine)
        return self._database.read(lambda connection: rows.all_of(connection, MicroserviceProcess, statement))

    def remove_processes(self, machine: str) -> int:
        """How many of this machine there were."""
        return self._database.write(
            lambda connection: rows.clear(connection, [processes], machine=machine), PROCESSES_TOPIC
        )

    def remove_process(self, machine: str, client: str, name: str, replica: int) -> bool:
        """Whether there was one."""
        which = {"machine": machine, "client": client, "name": name, "replica": replica}
        return self._database.write(
            lambda connection: rows.clear(connection, [processes], **which) > 0, PROCESSES_TOPIC
        )


def _put(connection: Connection, microservice: Microservice) -> None:
    known(connection, microservice.client)
    rows.put(connection, microservices, rows.values_of(microservice))
