"""The store: one encrypted SQLite file (WAL, synchronous=FULL), opened with a 32-byte key that is kept apart."""

from __future__ import annotations

import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Final, Protocol

import sqlcipher3
import sqlcipher3.dbapi2 as driver

# sqlite-utils looks for pysqlite3 first; without both names its ALTER TABLE goes to the plain sqlite3 module.
sys.modules.setdefault("pysqlite3", sqlcipher3)
sys.modules.setdefault("pysqlite3.dbapi2", driver)

from sqlite_utils import Database  # noqa: E402  (after the two lines above, on purpose)

# What the driver knows no adapter for it first asks for one, in vain and at length: for each value that it binds.
driver.register_adapter(type(None), {}.get)
driver.register_adapter(bytes, bytes)

from hl7bridge.errors import StoreError  # noqa: E402
from hl7bridge.storage.migrations import NAMES, SCHEMA_VERSION, migrations  # noqa: E402

KEY_BYTES: Final = 32
_ROWS_AT_ONCE: Final = (32, 16, 8, 4, 2, 1)  # of one INSERT: each number is a statement to compile, once
_VALUES: Final = re.compile(r"VALUES (\([?, ]+\))")
BUSY_SECONDS: Final = 30.0  # how long a writer waits for another process's transaction
_DRIVERS_WAIT: Final = "PRAGMA busy_timeout = 5000"  # milliseconds, for what is not begun by us
_BUSY_PAUSE: Final = 0.001  # a busy daemon leaves gaps of about this length between batches
_STATEMENTS: Final = 256  # kept compiled: a batch's inserts and look-ups are there for several numbers of rows
CHECKPOINT_PAGES: Final = 4000  # 16 MB of WAL between checkpoints: fewer, and still short
_HEX_KEY = re.compile(rb"\s*([0-9a-fA-F]{64})\s*\Z")
# Some write is needed for the log to be brought to disk with all that is in it.
_SYNC: Final = "INSERT INTO meta (key, value) VALUES ('synced', '1') ON CONFLICT (key) DO UPDATE SET value = 1 - value"

Row = tuple[Any, ...]
DatabaseError = driver.Error
IntegrityError = driver.IntegrityError


class Store:
    """An open store. One connection, used by one thread at a time; any number of processes may have one."""

    def __init__(self, connection: Any, path: Path) -> None:
        self.path = path
        self.db = Database(connection)
        self.connection = connection
        self.execute = connection.execute
        self.executemany = connection.executemany
        self._one = connection.cursor()  # kept: making a cursor for each row costs a fifth of reading it
        self._savepoint = _Savepoint(connection, self._one.execute)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Return all rows of a query."""
        return list(self.execute(sql, parameters))

    def rows_in(self, select: str, values: list[Any], rest: str = "") -> list[Row]:
        """Return the rows of a query that ends in ``IN``, for some values; ``rest`` follows them.

        They are filled up to a power of two with the last: few statements to compile, however many are asked for.
        """
        if not values:
            return []
        more = (1 << (len(values) - 1).bit_length()) - len(values)
        return self.rows(f"{select} ({'?, ' * (len(values) + more - 1)}?){rest}", [*values, *values[-1:] * more])

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        """Return the first row of a query that finds few, or None."""
        found: list[Row] = self._one.execute(sql, parameters).fetchall()  # to its end: an open read pins the WAL
        return found[0] if found else None

    def insert(self, sql: str, parameters: Sequence[Any]) -> int:
        """Insert one row and return its id."""
        return int(self._one.execute(sql, parameters).lastrowid)

    def insert_all(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run an INSERT that has the VALUES of one row for many: several at a time cost a third less than each."""
        done, count = 0, len(rows)
        for size in _ROWS_AT_ONCE:
            while count - done >= size:
                if size == 1:
                    self._one.execute(sql, rows[done])
                else:
                    self._one.execute(_for_rows(sql, size), [*chain.from_iterable(rows[done : done + size])])
                done += size

    def dicts(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[dict[str, Any]]:
        """Return the rows of a query one at a time, as dicts by column name."""
        cursor = self.execute(sql, parameters)
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield dict(zip(names, row, strict=True))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write in one transaction, fsynced when the block ends; any exception undoes all of it.

        Waits up to BUSY_SECONDS for another writer, then raises StoreError.
        """
        self._begin()
        try:
            yield
        except BaseException:
            if self.connection.in_transaction:
                self.execute("ROLLBACK")
            raise
        try:
            self.execute("COMMIT")
        except driver.Error as error:
            if self.connection.in_transaction:
                self.execute("ROLLBACK")
            raise StoreError(f"{self.path}: cannot write: {error}") from error

    def _begin(self) -> None:
        deadline = time.monotonic() + BUSY_SECONDS
        run = self._one.execute
        run("PRAGMA busy_timeout = 0")  # the driver's own wait grows to 100 ms, and misses every gap
        try:
            while True:
                try:
                    run("BEGIN IMMEDIATE")
                except driver.OperationalError as error:
                    if "locked" not in str(error) or time.monotonic() > deadline:
                        raise StoreError(f"{self.path}: cannot write: {error}") from error
                    time.sleep(_BUSY_PAUSE)
                else:
                    return
        finally:
            run(_DRIVERS_WAIT)

    def savepoint(self) -> AbstractContextManager[None]:
        """Undo what the block wrote when it raises, and nothing else of the transaction."""
        if not self.connection.in_transaction:  # there it would be a transaction of its own, and commit
            raise StoreError(f"{self.path}: there is no transaction")
        return self._savepoint

    @contextmanager
    def unhurried(self) -> Iterator[None]:
        """Bring the transactions of the block to disk at its end, all at once; each is whole and in order all the same.

        For work that is done again after a power cut: the lock is not held while a disk works. What others commit
        meanwhile is on disk as ever, and what was committed before it as well.
        """
        self.execute("PRAGMA synchronous = NORMAL")
        try:
            yield
        finally:
            self.execute("PRAGMA synchronous = FULL")
            with self.transaction():
                self.execute(_SYNC)

    def close(self) -> None:
        """Close the connection; a transaction that is open is undone."""
        self.connection.close()


class _Savepoint:
    """What undoes a block; a class, because to make a generator for each message takes as long as the statements."""

    def __init__(self, connection: Any, run: Callable[[str], object]) -> None:
        self._connection, self._run = connection, run

    def __enter__(self) -> None:
        self._run("SAVEPOINT one")

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        if kind is not None and self._connection.in_transaction:
            self._run("ROLLBACK TO one")
        if kind is None or self._connection.in_transaction:
            self._run("RELEASE one")


class RowSink(Protocol):
    """What takes rows to write: a Store at once, a Later together with others."""

    def executemany(self, sql: str, rows: list[Any], /) -> object:
        """Take the rows of a statement."""


def read_key(path: Path) -> bytes:
    """Return the 32-byte key in a file: 64 hexadecimal digits, or 32 raw bytes. Raises StoreError, never quoting it."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise StoreError(f"{path}: the key file is missing; restore it from where the key is kept") from None
    except OSError as error:
        raise StoreError(f"{path}: cannot read the key file: {error.strerror}") from None
    found = _HEX_KEY.match(content)
    if found:
        return bytes.fromhex(found[1].decode("ascii"))
    if len(content) == KEY_BYTES:
        return content
    raise StoreError(f"{path}: not a key: expected 64 hexadecimal digits, found {len(content)} bytes of something else")


def new_key() -> str:
    """Return a new random key as 64 hexadecimal digits."""
    return secrets.token_hex(KEY_BYTES)


def open_store(path: Path, key: bytes, *, create: bool = False) -> Store:
    """Open a store and bring its schema up to date. Raises StoreError with one clear line.

    With ``create`` a missing file is made (mode 0600); without it a missing file is an error.
    """
    if not path.exists():
        if not create:
            raise StoreError(f"{path}: there is no store here; 'hl7bridge init' or 'hl7bridge serve' makes one")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    store = _connect(path, key)
    try:
        if _migrate(store):
            # A connection that altered tables compiles every statement anew for the rest of its life.
            store.close()
            store = _connect(path, key)
    except StoreError:
        store.close()
        raise
    except driver.DatabaseError as error:
        store.close()
        raise StoreError(f"{path}: cannot open the store: {error}") from error
    return store


@lru_cache(maxsize=512)
def _for_rows(sql: str, size: int) -> str:
    return _VALUES.sub(lambda found: f"VALUES {', '.join([found[1]] * size)}", sql, count=1)


def _connect(path: Path, key: bytes) -> Store:
    try:
        # Autocommit at the driver: every transaction in this program is begun and ended in the open.
        connection = driver.connect(
            path, isolation_level=None, check_same_thread=False, timeout=5.0, cached_statements=_STATEMENTS
        )
    except driver.Error as error:
        raise StoreError(f"{path}: cannot open the store: {error}") from error
    try:
        connection.execute("PRAGMA cipher_log_level = NONE")  # its own log goes to stderr, beside our one line
        connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
        # The page MAC: SHA-256 is as sound here as the default SHA-512, and processors compute it themselves.
        connection.execute("PRAGMA cipher_hmac_algorithm = HMAC_SHA256")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        _configure(connection)
    except driver.DatabaseError as error:
        connection.close()
        if "not a database" in str(error) or "file is encrypted" in str(error):
            raise StoreError(f"{path}: the key does not open this store; is it the key of another store?") from None
        raise StoreError(f"{path}: cannot open the store: {error}") from error
    return Store(connection, path)


def _configure(connection: Any) -> None:
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")  # the driver's own wait does not cover this one
        except driver.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(_BUSY_PAUSE)
        else:
            break
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA temp_store = MEMORY")  # a temporary file would hold patients in the clear
    connection.execute("PRAGMA cache_size = -16384")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")


def _migrate(store: Store) -> bool:
    """Bring the schema up to date; False when it was. Of processes that open a new store at once, one does it."""
    newer = sorted({migration.name for migration in migrations.applied(store.db)} - set(NAMES))
    if newer:
        raise StoreError(f"{store.path}: this store was made by a newer hl7bridge ({newer[-1]}); upgrade to open it")
    if not migrations.pending(store.db):
        return False
    with store.transaction():
        migrations.apply(store.db)
        store.execute("INSERT INTO meta (key, value) VALUES ('tag', ?) ON CONFLICT (key) DO NOTHING", (_new_tag(),))
    return True


def _new_tag() -> str:
    """Return four characters that make this store's outbound identifiers its own, for partners' lifetime."""
    return "".join(secrets.choice("0123456789ABCDEFGHJKLMNPQRSTVWXYZ") for _ in range(4))


def schema_version() -> int:
    """Return the number of the newest migration."""
    return SCHEMA_VERSION
