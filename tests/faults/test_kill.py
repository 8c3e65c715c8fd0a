"""kill -9 at any moment: what was acknowledged is there, once, and nothing is half there."""

from __future__ import annotations

import random

from load import Load, check_store
from running_daemon import RunningDaemon, make_folder

ROUNDS = 4


def test_whatever_was_acknowledged_survives_kill_9_and_counts_once(tmp_path):
    """Eight senders that resend what was not answered, over several lives of the daemon, each cut off in mid work."""
    config = make_folder(tmp_path / "d")
    load = Load(8)
    moments = random.Random()  # noqa: S311  (no secret depends on when the daemon dies)
    for _ in range(ROUNDS):
        with RunningDaemon(config) as daemon:
            load.start(daemon.port)
            load.wait_for(len(load.acknowledged) + moments.randrange(20, 300))
            daemon.kill()
            load.stop()
    with RunningDaemon(config) as daemon:
        load.start(daemon.port)
        load.wait_for(len(load.acknowledged) + 100)
        load.stop()
        daemon.stop()
        assert load.other == []
        check_store(daemon.store(), load)
