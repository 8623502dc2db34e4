"""Which SQLite library opens the store's file, with which settings, and whether its file system can hold a WAL."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

MISSING_FIX = (3, 51, 3)
BACKPORTS = frozenset({(3, 44, 6), (3, 50, 7)})
"""sqlite.org/changes: the WAL-reset corruption bug is fixed in 3.51.3 and in these two."""

NETWORK_FILE_SYSTEMS = frozenset({
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "glusterfs", "lustre", "beegfs", "gpfs", "ocfs2",
    "fuse.sshfs", "fuse.gcsfuse", "fuse.s3fs", "fuse.glusterfs", "fuse.rclone", "fuse.ceph", "fuse.blobfuse2",
    "fuse.mountpoint-s3",
})  # fmt: skip

PRAGMAS = (
    "busy_timeout=5000",
    "synchronous=NORMAL",
    "cache_size=-65536",
    "temp_store=MEMORY",
    "mmap_size=0",
    "wal_autocheckpoint=0",
    "foreign_keys=ON",
)


def library() -> Any:
    """The DB-API module to use: pysqlite3 where a wheel exists, else Python's own."""
    for name in ("pysqlite3.dbapi2", "sqlite3"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    raise ModuleNotFoundError("neither pysqlite3 nor sqlite3 can be imported")


def library_warning(version: tuple[int, int, int]) -> str | None:
    """What is wrong with this version of SQLite, for people; None where it is sound."""
    if version >= MISSING_FIX or version in BACKPORTS:
        return None
    shown = ".".join(str(part) for part in version)
    return (
        f"SQLite {shown} can corrupt a store that two processes write at once (fixed in 3.51.3). "
        "Install pysqlite3 0.6.1 or newer, or use PostgreSQL."
    )


def file_system_type(path: Path, mounts: str) -> str | None:
    """The type of the file system that holds `path`, told from the text of /proc/self/mountinfo; None if unknown."""
    best: tuple[int, str] | None = None
    for line in mounts.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split()
        if not separator or len(fields) < 5:
            continue
        point = Path(fields[4].replace("\\040", " ").replace("\\011", "\t"))
        if path.is_relative_to(point) and (best is None or len(point.parts) >= best[0]):
            best = (len(point.parts), after.split()[0])
    return best[1] if best else None


def network_file_system(path: Path) -> str | None:
    """The type of the network file system that `path` lies on; None where it is local, or cannot be told."""
    if sys.platform != "linux":
        return None
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    found = file_system_type(path.resolve(), mounts)
    return found if found in NETWORK_FILE_SYSTEMS else None


def prepare(connection: Any, *, read_only: bool) -> str:
    """Set a new connection up, and give the journal mode that the file really has."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    mode = cursor.execute("PRAGMA journal_mode" if read_only else "PRAGMA journal_mode=WAL").fetchone()[0]
    if read_only:
        cursor.execute("PRAGMA query_only=ON")
    cursor.close()
    return str(mode)
