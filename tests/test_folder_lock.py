"""One process at a time writes into an output folder, and no lock file stays behind."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from xqg.errors import SettingsError
from xqg.folder_lock import LOCK, locked_folder

HOLD = "import sys, pathlib; from xqg.folder_lock import FolderLock; lock = FolderLock(pathlib.Path(sys.argv[1])); "


def test_the_second_process_is_told_who_has_the_folder(tmp_path: Path) -> None:
    code = HOLD + "print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(tmp_path / "out")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        told = rf"out is in use: by process {holder.pid} on .*Wait"
        with pytest.raises(SettingsError, match=told), locked_folder(tmp_path / "out"):
            pass
        holder.kill()  # a lock does not outlast its process
    with locked_folder(tmp_path / "out"):
        assert (tmp_path / "out" / LOCK).exists()
    assert list((tmp_path / "out").iterdir()) == []


def test_of_many_threads_one_at_a_time_has_it(tmp_path: Path) -> None:
    inside: list[int] = []

    def enter(number: int) -> bool:
        try:
            with locked_folder(tmp_path):
                inside.append(number)
                assert inside == [number]
                inside.remove(number)
        except SettingsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert any(pool.map(enter, range(200)))
    assert list(tmp_path.iterdir()) == []


def test_no_folder_is_no_lock_and_a_file_is_refused(tmp_path: Path) -> None:
    with locked_folder(None):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="cannot be used"), locked_folder(tmp_path / "file"):
        pass
