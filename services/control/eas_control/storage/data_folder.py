"""The data folder of an embedded suite.

::

    <data folder>/              mode 0700
        suite.lock              held by `eas up` as long as it lives
        endpoint.json           see `eas_control.storage.endpoint`
        restore.part            there while `eas restore` is at work, and after one that was interrupted
        database.json           see `eas_control.storage.folder_origin`
        tokens.json             mode 0600, made at the first start and kept
        scheduler.db, product_store.db, logging.db
        products/               the product store's bytes
        workers/<worker id>/    see the worker's workspace
        worker-logs/            what workers say that does not reach the log service
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eas.client.suite.endpoint import choose_token
from eas.disk import describe_full, is_full
from eas.http.auth import AccessScope, Principal, TokensFileError, make_token, read_tokens_file, write_tokens_file
from eas_control.domain.errors import SuiteRunningError, SuiteStartError
from eas_control.storage.endpoint import remove_endpoint, write_endpoint

#: There while `eas restore` is at work in the folder, and after one that was interrupted.
RESTORE_MARK = "restore.part"
#: The file that a worker holds locked in its folder as long as it lives.
WORKER_LOCK = "owner.lock"

PRINCIPALS = (
    Principal("user", frozenset({AccessScope.READ, AccessScope.SUBMIT, AccessScope.OPERATE})),
    Principal("worker", frozenset({AccessScope.READ, AccessScope.WORK})),
    Principal("scheduler", frozenset({AccessScope.OPERATE})),
)


class DataFolder:
    """Files of one suite.

    Parameters
    ----------
    path
        Made if it is missing.
    tokens_file
        The user's own; by default the folder's.
    """

    def __init__(self, path: Path, tokens_file: Path | None = None) -> None:
        self.path = path.absolute()
        self.products = self.path / "products"
        self.workers = self.path / "workers"
        self.worker_logs = self.path / "worker-logs"
        self.tokens_file = tokens_file.absolute() if tokens_file else self.path / "tokens.json"
        self._own_tokens = tokens_file is None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Have the folder to oneself. The kernel lets go of it however this process ends.

        Raises
        ------
        SuiteRunningError
            Another suite has it.
        SuiteStartError
            It cannot be used, or its disk is full.
        """
        if "?" in str(self.path):
            raise SuiteStartError(f"{self.path}: a data folder's path must not have a '?'")
        try:
            for folder in (self.path, self.workers, self.worker_logs):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.path / "suite.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SuiteStartError(f"data folder {self.path}: {error.strerror}") from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SuiteRunningError(self.path) from None
            remove_endpoint(self.path)
            yield
            remove_endpoint(self.path)
        except OSError as error:
            if not is_full(error):
                raise
            raise SuiteStartError(describe_full(self.path)) from error
        finally:
            os.close(descriptor)

    @contextmanager
    def half_restored(self, source: str) -> Iterator[None]:
        """Mark the folder while a restore is at work in it; a restore that does not come to its end leaves the mark."""
        mark = self.path / RESTORE_MARK
        with mark.open("w", encoding="utf-8") as file:
            file.write(f"{source}\n")
            file.flush()
            os.fsync(file.fileno())
        yield
        mark.unlink()

    def refuse_half_restored(self) -> None:
        """See that no restore was interrupted in the folder.

        Raises
        ------
        SuiteStartError
            One was.
        """
        try:
            source = (self.path / RESTORE_MARK).read_text("utf-8").strip()
        except FileNotFoundError:
            return
        raise SuiteStartError(
            f"{self.path} is half restored from {source}: a restore was interrupted. Repeat it: "
            f"`eas restore FOLDER --data {self.path} --force`"
        )

    def prepare_tokens(self) -> None:
        """Make the folder's own tokens file at the first start, and see that there is one that can be used.

        Raises
        ------
        SuiteStartError
            The tokens file cannot be used.
        """
        try:
            if self._own_tokens and not self.tokens_file.exists():
                write_tokens_file(self.tokens_file, {make_token(): principal for principal in PRINCIPALS})
            read_tokens_file(self.tokens_file)
        except TokensFileError as error:
            raise SuiteStartError(str(error)) from error

    def choose_token(self, *wishes: set[str]) -> str:
        """Choose a token for a part of the suite. See `eas.client.suite.endpoint.choose_token`.

        Raises
        ------
        SuiteStartError
            There is none.
        """
        try:
            return choose_token(self.tokens_file, [frozenset(wish) for wish in wishes])
        except LookupError as error:
            raise SuiteStartError(str(error.args[0])) from error

    def database_url(self, service: str) -> str:
        """Name a service's database."""
        return f"sqlite:///{self.path / service}.db"

    def publish(self, url: str) -> None:
        """Let other commands find the suite."""
        write_endpoint(self.path, url, Path(self.tokens_file.name) if self._own_tokens else self.tokens_file)

    def is_worker_alive(self, worker_id: str) -> bool:
        """Tell whether a worker's process lives: then, and only then, its folder is locked."""
        try:
            descriptor = os.open(self.workers / worker_id / WORKER_LOCK, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False
