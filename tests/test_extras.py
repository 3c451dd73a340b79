import pytest

from xqg.errors import MissingDependencyError
from xqg.extras import importing, is_installed, require


@pytest.fixture
def folder_of_that_name(tmp_path, monkeypatch):
    """A folder where the command runs, which Python would take for a package without any code."""
    (tmp_path / "absent_package").mkdir()
    monkeypatch.syspath_prepend(tmp_path)


def test_a_folder_is_no_package(folder_of_that_name):
    assert not is_installed("absent_package")
    assert is_installed("numpy")


def test_what_is_missing_is_named_with_its_install_line(folder_of_that_name):
    with pytest.raises(MissingDependencyError) as found:
        require("mcp", "The server", "numpy", "absent_package", "nor_this_one")
    expected = 'The server needs absent_package, nor_this_one, which is not installed. Run: pip install "xqg[mcp]".'
    assert str(found.value) == expected


def test_a_failed_import_names_the_extra(folder_of_that_name):
    with pytest.raises(MissingDependencyError, match=r'absent_package\.server.*pip install "xqg\[mcp\]"'):  # noqa: SIM117
        with importing("mcp", "The server"):
            import absent_package.server  # noqa: F401
