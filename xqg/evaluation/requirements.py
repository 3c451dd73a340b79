"""What the extra ``evaluate`` installs."""

from __future__ import annotations

from importlib.util import find_spec

from xqg.errors import MissingDependencyError

PACKAGES = {"ir_measures": "ir-measures", "scipy": "scipy", "matplotlib": "matplotlib"}


def require_packages(*names: str) -> None:
    """See that these modules of the extra are installed (none named: all), without importing them.

    :raises MissingDependencyError: names the install line.
    """
    missing = [PACKAGES[name] for name in (names or PACKAGES) if find_spec(name) is None]
    if missing:
        raise MissingDependencyError(
            f"Evaluation needs {', '.join(missing)}", "not installed here", 'Run: pip install "xqg[evaluate]"'
        )
