"""Optional packages: whether they are installed, and the install line where they are not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from importlib.util import find_spec

from xqg.errors import MissingDependencyError


def find_package(package: str) -> ModuleSpec | None:
    """Where a package is, found out without importing it; None if it is not installed.

    A folder without Python in it, which may stand where the command runs, is no package.
    """
    spec = find_spec(package)
    return None if spec is None or spec.origin is None else spec


def is_installed(package: str) -> bool:
    """Whether a package can be imported, as `find_package` finds it."""
    return find_package(package) is not None


def require(extra: str, needed_by: str, *packages: str) -> None:
    """See that the packages are installed. :raises MissingDependencyError: names the extra that brings them."""
    missing = [package for package in packages if not is_installed(package)]
    if missing:
        raise _missing(extra, f"{needed_by} needs {', '.join(missing)}, which is not installed")


@contextmanager
def importing(extra: str, needed_by: str) -> Iterator[None]:
    """Imports inside that fail name the extra. :raises MissingDependencyError: in place of ImportError."""
    try:
        yield
    except ImportError as error:
        raise _missing(extra, f"{needed_by} needs what is not installed: {error}") from error


def _missing(extra: str, found: str) -> MissingDependencyError:
    return MissingDependencyError(found, remedy=f'Run: pip install "xqg[{extra}]"')
