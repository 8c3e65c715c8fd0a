"""Row numbers on the command line: one that no store can hold is wrong use, not a failure of ours."""

from __future__ import annotations

import pytest
from cli_samples import init_folder, run

BEYOND = 99999999999999999999


@pytest.mark.parametrize(
    "arguments",
    [
        ("messages", "show", BEYOND),
        ("messages", "replay", BEYOND),
        ("messages", "dismiss", BEYOND, "--reason", "x"),
        ("messages", "--limit", BEYOND),
        ("exceptions", "show", BEYOND),
        ("config", "diff", BEYOND),
        ("config", "rollback", BEYOND),
        ("deliveries", "retry", BEYOND),
        ("placements", "approve", BEYOND),
        ("preview", "--config", "x", "--days", BEYOND),
        ("profile", "--stored", "--days", BEYOND),
    ],
    ids=lambda arguments: " ".join(map(str, arguments[:2])),
)
def test_a_number_that_is_too_large_is_wrong_use(tmp_path, arguments):
    """Exit 2, and the words name the option or argument."""
    config = init_folder(tmp_path / "d")
    given = () if arguments[0] == "preview" else ("--config", config)
    result = run(*arguments, *given)
    assert result.exit_code == 2
    assert "is not in the range" in result.stderr
