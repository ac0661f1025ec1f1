"""The exception by which a component refuses a request."""

from __future__ import annotations

__all__ = ["SeldonMicroserviceException"]


class SeldonMicroserviceException(Exception):
    """A component says no: with a text, an HTTP status and a machine-readable reason.

    A subclass may set `status_code` for all its instances. `payload` is kept for whoever catches the exception;
    it is not sent.
    """

    status_code = 400

    def __init__(
        self,
        message: str,
        status_code: int | None = None,
        payload: object = None,
        reason: str = "MICROSERVICE_BAD_DATA",
    ) -> None:
        # The original's text is empty, and so were its gRPC errors; here str() is the message.
        super().__init__(message)
        self.message = message
        if status_code is not None:
            self.status_code = status_code
        self.payload = payload
        self.reason = reason

    def to_dict(self) -> dict[str, dict[str, str | int]]:
        """The error form of the internal API: code −1 and status 1 whatever the HTTP status is."""
        return {"status": {"code": -1, "info": self.message, "reason": self.reason, "status": 1}}
