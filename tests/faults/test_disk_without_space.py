"""The same with the error that a disk without space gives: SQLite treats it unlike others."""

from __future__ import annotations

from feed_samples import adt, dft, ft1
from listening import codes
from load import Load, check_store
from running_daemon import RunningDaemon, make_folder


def test_a_disk_without_space_is_answered_207_until_there_is_some(tmp_path, shim):
    """Under load and for one message; what was refused is taken later, once."""
    config = make_folder(tmp_path / "d")
    flag = tmp_path / "full"
    env = {
        "LD_PRELOAD": str(shim),
        "HL7BRIDGE_STORE": str(config.parent / "data" / "hl7bridge.db"),
        "HL7BRIDGE_FULL": str(flag),
    }
    load = Load(4)
    with RunningDaemon(config, **env) as daemon, daemon.sender() as sender:
        flag.touch()
        assert codes(sender.ask(adt("A1"), dft("D1", ft1(f3="D1")))) == ["AR", "AR"]
        flag.unlink()
        assert codes(sender.ask(adt("A1"), dft("D1", ft1(f3="D1")))) == ["AA", "AA"]
        load.start(daemon.port)
        for _ in range(3):
            load.wait_for(len(load.acknowledged) + 40)
            before = len(load.other)
            flag.touch()
            load.wait_for_refusals(before + 20)
            flag.unlink()
        load.wait_for(len(load.acknowledged) + 40)
        load.stop()
        daemon.stop()
        assert set(load.other) == {"AR"}
        check_store(daemon.store(), load)
