"""Extensions: any function from a dict to a dict, and how it is kept."""

from __future__ import annotations

from typing import Any

from seldon.work_folder import WorkFolder, dump, load


class Extension:
    """What an extension microservice serves. A subclass says what it answers.

    An object is kept as a pickle. What does not go into one, `save` writes into the folder, and `load` reads.
    """

    def predict(self, input: dict[str, Any] | None = None) -> dict[str, Any]:
        """The reply to a request, both as JSON objects."""
        return {}

    def save(self, folder: str) -> None:
        """Writes into `folder` what the pickle does not hold."""

    def load(self, folder: str) -> Any:
        """Reads what `save` wrote."""
        return self


class ExtensionWrapper(WorkFolder):
    """Keeps an extension as a folder with the pickle `ext` in it."""

    def save_extension(self, extension: Extension, location: str) -> None:
        with self._write(location) as folder:
            dump(extension, folder / "ext")
            extension.save(str(folder))

    def load_extension(self, extension_folder: str) -> Extension:
        """Unpickles, so the folder must be one you trust. Raises FileNotFoundError and ValueError."""
        with self._read(extension_folder) as folder:
            extension: Extension = load(folder / "ext", extension_folder)
            extension.load(str(folder))
            return extension
