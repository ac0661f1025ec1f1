"""From the URI of a model to files of this machine: what is far away is fetched once, and kept by its checksum.

| URI                             | files                                                                     |
|---------------------------------|---------------------------------------------------------------------------|
| a path, `file://`               | those, where they are                                                     |
| `pvc://claim/path`              | those below the folder that stands for the claim                          |
| `https://`, `s3://`, `gs://`, … | fetched through fsspec; an HTTP URL is a file, or ends in a slash          |
| `remote:bucket/path`            | as `remote://bucket/path`; the remote is one of rclone's, by its variables |

Credentials are variables of the process. Where a document names a secret (`envSecretRefName: my-secret`), those whose
names begin with `MY_SECRET_` are its, and come first.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from gaal.components.boundary import last_line

logger = logging.getLogger("gaal.components")

PICKLES = (".joblib", ".pkl", ".pickle", ".cloudpickle")
EXTRAS = {"http": "remote", "https": "remote", "s3": "s3", "gs": "gcs", "gcs": "gcs"}
RCLONE_TYPES = {"s3": "s3", "google cloud storage": "gs", "gcs": "gs", "http": "https"}
"""What rclone calls a kind of storage, and the scheme that means it here."""

_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?://)?(.*)", re.DOTALL)


class ModelUriError(Exception):
    """A model cannot be fetched, or may not be loaded. The text has the URI, without what is secret in it."""


@dataclass(frozen=True, slots=True)
class ModelStore:
    """Where models come from. `cache` is the folder of what was fetched, `volumes` has a folder for a claim's name."""

    cache: Path
    volumes: Mapping[str, Path] = field(default_factory=dict)
    allows_pickle: bool = True
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def fetch(self, uri: str, secret: str = "") -> Path:
        """The file or folder of a model. Blocks while it is fetched. Raises ModelUriError."""
        if not uri:
            raise ModelUriError("a modelUri must be given")
        scheme, rest = _split(uri)
        if scheme == "":
            return _there(Path(uri), uri)
        if scheme == "file":
            return _there(_path_of_file_uri(uri), uri)
        if scheme == "pvc":
            return _there(self._in_volume(uri, rest), uri)
        return self._fetched(uri, scheme, rest, variables_of(secret, self.environment))

    def check_pickle(self, file: Path, uri: str, *, always: bool) -> None:
        """Refuse code in disguise where it is not allowed, and warn of it where it came over a network.

        `always` says that the file is a pickle whatever its name; else files beside it are looked at as well.
        Raises ModelUriError.
        """
        found = file if always else _first_pickle(file)
        if found is None:
            return
        if not self.allows_pickle:
            raise ModelUriError(
                f"{shown(uri)}: {found.name} can run code when it is loaded, and --no-pickle forbids it"
            )
        if is_remote(uri):
            logger.warning("%s: %s comes from a network, and can run code when it is loaded", shown(uri), found.name)

    def _in_volume(self, uri: str, rest: str) -> Path:
        claim, _, path = rest.partition("/")
        folder = self.volumes.get(claim)
        if folder is None:
            known = ", ".join(sorted(self.volumes)) or "none"
            raise ModelUriError(f"{uri}: --volumes must say where the claim {claim} is; those it has are {known}")
        found = folder / path
        if not found.resolve().is_relative_to(folder.resolve()):
            raise ModelUriError(f"{uri}: the path leaves the claim {claim}")
        return found

    def _fetched(self, uri: str, scheme: str, rest: str, variables: Mapping[str, str]) -> Path:
        remote = scheme.upper().replace("-", "_")
        kind = RCLONE_TYPES.get(variables.get(f"RCLONE_CONFIG_{remote}_TYPE", "").lower(), scheme)
        location = f"{kind}://{rest}"
        if scheme not in ("http", "https"):
            location = location.rstrip("/")
        try:
            source = _Source.at(location, kind, storage_options(kind, remote, variables))
            return _kept(source, self.cache / "models")
        except ModelUriError as error:
            raise ModelUriError(f"{shown(uri)}: {error}") from None
        except Exception as error:  # each file system has errors of its own
            raise ModelUriError(f"{shown(uri)}: {_why_not(error, uri)}") from error


def default_cache(environment: Mapping[str, str]) -> Path:
    """`gaal` in $XDG_CACHE_HOME, or in ~/.cache."""
    base = environment.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "gaal"


# URIs.


def is_remote(uri: str) -> bool:
    """Whether a model at this URI comes over a network."""
    return _split(uri)[0] not in ("", "file", "pvc")


def shown(uri: str) -> str:
    """The URI without user, password and query, which may hold secrets."""
    if not is_remote(uri) or "://" not in uri:
        return uri
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def name_in(uri: str) -> str:
    """The last part of the path."""
    return PurePosixPath(unquote(urlsplit(uri).path if "://" in uri else uri)).name


def _split(uri: str) -> tuple[str, str]:
    """Scheme and the rest; no scheme for a path."""
    match = _URI.fullmatch(uri)
    return (match[1].lower(), match[2]) if match else ("", uri)


def _why_not(error: Exception, uri: str) -> str:
    """What keeps a model from being fetched. Over HTTP, nobody who answers looks like nothing that is there."""
    cause = error.__cause__ if isinstance(error, FileNotFoundError) else error
    if cause is None or getattr(cause, "status", None) == 404:
        return "there is nothing"
    return f"cannot be fetched: {last_line(cause).replace(uri, shown(uri))}"


def _path_of_file_uri(uri: str) -> Path:
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        raise ModelUriError(f"{uri}: a file:// URI has three slashes, or names localhost")
    return Path(unquote(parts.path))


def _there(path: Path, uri: str) -> Path:
    if not path.exists():
        raise ModelUriError(f"{uri}: there is no such file or folder")
    return path


def _first_pickle(file: Path) -> Path | None:
    """The file itself, or of an MLflow folder any file in it, by the suffix."""
    if file.suffix in PICKLES:
        return file
    if file.name != "MLmodel":
        return None
    # Code of the model's own is no pickle, and runs as well.
    return next((each for each in sorted(file.parent.rglob("*")) if each.suffix in (*PICKLES, ".py")), None)


# Credentials.


def variables_of(secret: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables for a unit whose document names a secret."""
    if not secret:
        return dict(environment)
    prefix = re.sub(r"[^A-Z0-9]", "_", secret.upper()) + "_"
    own = {name.removeprefix(prefix): value for name, value in environment.items() if name.startswith(prefix)}
    return {**environment, **own}


def storage_options(scheme: str, remote: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """The options of fsspec's file system for a scheme. A remote's variables of rclone come before the usual ones."""

    def given(rclone: str, *usual: str) -> str | None:
        names = (f"RCLONE_CONFIG_{remote}_{rclone}", *usual)
        return next((variables[name] for name in names if variables.get(name)), None)

    if scheme == "s3":
        region = given("REGION", "AWS_REGION", "AWS_DEFAULT_REGION")
        options = {
            "key": given("ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID"),
            "secret": given("SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY"),
            "token": given("SESSION_TOKEN", "AWS_SESSION_TOKEN"),
            "endpoint_url": given("ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
            "client_kwargs": {"region_name": region} if region else None,
        }
    elif scheme in ("gs", "gcs"):
        anonymous = "anon" if (given("ANONYMOUS") or "").lower() == "true" else None
        options = {
            "token": anonymous or given("SERVICE_ACCOUNT_FILE", "GOOGLE_APPLICATION_CREDENTIALS"),
            "project": given("PROJECT_NUMBER", "GOOGLE_CLOUD_PROJECT"),
            "endpoint_url": given("ENDPOINT", "STORAGE_EMULATOR_HOST"),
        }
    else:
        return {}
    return {name: value for name, value in options.items() if value is not None}


# Fetching.


@dataclass(frozen=True, slots=True)
class _File:
    """A file that is far away: where, how long, and by what another version of it could be told, if by anything."""

    location: str
    size: int | None
    version: str


@dataclass(frozen=True, slots=True)
class _Source:
    """The files of a model that is far away, by their paths below it. `is_file` says that it is one file."""

    location: str
    filesystem: Any
    files: Mapping[str, _File]
    is_file: bool

    @classmethod
    def at(cls, location: str, scheme: str, options: Mapping[str, Any]) -> _Source:
        filesystem, root = _filesystem(location, scheme, options)
        is_http = scheme in ("http", "https")
        is_file = not root.endswith("/") if is_http else not filesystem.isdir(root)
        if is_file:
            return cls(location, filesystem, {name_in(root): _described(filesystem, root)}, is_file)
        files = {}
        for found in filesystem.find(root):
            below = found.removeprefix(root).lstrip("/")
            if not found.startswith(root) or not below or ".." in PurePosixPath(below).parts:
                continue  # a link on a page of HTML may lead anywhere
            files[urlsplit(below).path if is_http else below] = _described(filesystem, found)
        if not files:
            raise FileNotFoundError(location)
        return cls(location, filesystem, files, is_file)

    @property
    def key(self) -> str | None:
        """What tells this version from all others, if the file system knows."""
        if not all(each.version for each in self.files.values()):
            return None
        lines = [f"{path}\0{each.size}\0{each.version}\n" for path, each in sorted(self.files.items())]
        return _digest("".join([self.location, "\n", *lines]).encode())


def _filesystem(location: str, scheme: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    from importlib import import_module

    install = f"pip install 'gaal[{EXTRAS.get(scheme, 'remote')}]'"
    try:
        fsspec: Any = import_module("fsspec")
        # What was listed before may have changed since.
        fresh = {"use_listings_cache": False, "skip_instance_cache": True}
        filesystem = fsspec.filesystem(scheme, **fresh, **options)
    except ImportError as error:
        raise ModelUriError(f"{error.name or 'what it needs'} is not installed: {install}") from None
    except ValueError as error:
        raise ModelUriError(f"there is no way to fetch {scheme}://: {error}") from None
    return filesystem, filesystem._strip_protocol(location)


def _described(filesystem: Any, location: str) -> _File:
    info = filesystem.info(location)
    # A modification time alone would miss a change within the same second.
    known = (info.get(name) for name in ("ETag", "etag", "Content-MD5", "Digest", "md5Hash", "checksum", "generation"))
    return _File(location, info.get("size"), next((str(each) for each in known if each), ""))


def _kept(source: _Source, folder: Path) -> Path:
    """The files in the cache, fetched unless they are there. One process at a time fetches from one location."""
    folder.mkdir(parents=True, exist_ok=True)
    location = _digest(source.location.encode())
    with _locked(folder / f".{location}.lock"):
        kept = folder / source.key if source.key else None
        if kept is None or not kept.is_dir():
            kept = _fetch(source, folder, folder / f".{location}.partial")
    return kept / next(iter(source.files)) if source.is_file else kept


def _fetch(source: _Source, folder: Path, partial: Path) -> Path:
    """Fetch all files, then show them at once: what was killed before leaves nothing that looks whole."""
    shutil.rmtree(partial, ignore_errors=True)
    sums = []
    for path, file in sorted(source.files.items()):
        local = partial / path
        local.parent.mkdir(parents=True, exist_ok=True)
        source.filesystem.get_file(file.location, str(local))
        sums.append(f"{path}\0{_settled(local, file)}\n")
    kept = folder / (source.key or _digest("".join(sums).encode()))
    if not kept.is_dir():
        partial.rename(kept)
    else:
        shutil.rmtree(partial)
    return kept


def _settled(local: Path, file: _File) -> str:
    """The checksum of a file that has been fetched, whole and on disk."""
    with local.open("rb") as content:
        os.fsync(content.fileno())
        found = hashlib.file_digest(content, "sha256").hexdigest()
        size = os.fstat(content.fileno()).st_size
    if file.size is not None and size != file.size:
        raise ModelUriError(f"{name_in(file.location)}: expected {file.size} bytes, got {size}")
    return found


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Nobody else has it meanwhile, on this machine. The kernel lets go of it when the process ends."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
