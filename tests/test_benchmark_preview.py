"""The benchmark of previews: its command runs, and counts only when it finds what it must."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_command_measures_a_preview_beside_the_intake_of_the_same_messages():
    """The documented command on a few messages: of two charges in forty messages the type is new."""
    command = [sys.executable, "-m", "benchmarks.preview", "--messages", "40", "--rounds", "1", "--each", "10"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    preview, differ, intake, ratio = done.stdout.splitlines()
    assert preview.startswith("preview  ")
    assert differ == "         2 of them differ, 2 accounts"
    assert intake.startswith("intake   ")
    assert float(ratio.removeprefix("ratio")) > 0
