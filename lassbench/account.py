"""A user name and a home for processes that the system gives none.

``docker run --user 54321`` and some clusters start programs under a number that has
no entry in the list of users, with no home or one that cannot be written.  PyTorch
then fails for want of a name, numba, pooch and others for want of a cache, and some
write a folder called ``~``.
"""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

#: Where :func:`getpass.getuser` looks before it asks the list of users.
_NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")


def settle() -> None:
    """Put into this process's environment, and its children's, what it lacks of these."""
    if not any(os.environ.get(name) for name in _NAMES):
        try:
            pwd.getpwuid(os.getuid())
        except KeyError:
            os.environ["LOGNAME"] = os.environ["USER"] = f"uid{os.getuid()}"
    home = os.environ.get("HOME") or os.path.expanduser("~")  # noqa: PTH111  # Path's raises
    if _writable(home):
        return
    if home == "/" or not home.startswith("/") or not Path(home).is_dir():
        os.environ["HOME"] = _substitute()
    elif not _writable(f"{home}/.cache") and "XDG_CACHE_HOME" not in os.environ:
        # A home that is mounted read-only: what is in it is still read.
        if Path(f"{home}/.cache/huggingface").is_dir():
            os.environ.setdefault("HF_HOME", f"{home}/.cache/huggingface")
        os.environ["XDG_CACHE_HOME"] = _substitute()
        os.environ.setdefault("MPLCONFIGDIR", os.environ["XDG_CACHE_HOME"] + "/matplotlib")


def _writable(folder: str) -> bool:
    return folder.startswith("/") and Path(folder).is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _substitute() -> str:
    """A folder of this user's own below the temporary one, the same for each process."""
    import tempfile

    folder = Path(tempfile.gettempdir()) / f"lassbench-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return tempfile.mkdtemp(prefix="lassbench-")
    # Anybody may make folders there, and link them elsewhere.
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    if found.st_uid == os.getuid() and private:
        return str(folder)
    return tempfile.mkdtemp(prefix="lassbench-")
