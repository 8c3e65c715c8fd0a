"""A power cut leaves what was synced and nothing else: every message that was acknowledged is in that."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import closing

import pytest
import sqlcipher3.dbapi2 as driver
from load import Load, check_store
from running_daemon import ROOT, RunningDaemon, make_folder

from hl7bridge.storage.database import open_store, read_key

KEPT_WITHOUT_SYNC = """
import os, sys
import sqlcipher3.dbapi2 as driver
connection = driver.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("CREATE TABLE t (x)")
connection.execute("PRAGMA wal_checkpoint")
connection.execute(f"PRAGMA synchronous = {sys.argv[2]}")
for number in range(10):
    connection.execute("INSERT INTO t VALUES (?)", (number,))
os._exit(0)
"""


def preload(shim, images, store):
    """Return the environment that keeps images of a store's files."""
    images.mkdir()
    return {"LD_PRELOAD": str(shim), "HL7BRIDGE_IMAGES": str(images), "HL7BRIDGE_STORE": str(store)}


def cut(images, store):
    """Put the images in the place of a store's files, as the power comes back."""
    for file in store.parent.glob(f"{store.name}*"):
        file.unlink()
    for name in (store.name, f"{store.name}-wal"):
        if (images / name).exists():  # a write-ahead log that was never synced is not there either
            shutil.copy(images / name, store.parent)


@pytest.mark.parametrize(("synchronous", "kept"), [("NORMAL", 0), ("FULL", 10)])
def test_the_images_tell_a_store_that_syncs_from_one_that_does_not(tmp_path, shim, synchronous, kept):
    """Or the test below would prove nothing: without a sync at each commit, what was committed is not in them."""
    store, images = tmp_path / "a.db", tmp_path / "images"
    env = preload(shim, images, store) | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", KEPT_WITHOUT_SYNC, str(store), synchronous], env=env, check=True)
    cut(images, store)
    with closing(driver.connect(store)) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (kept,)


def test_every_acknowledged_message_is_in_what_a_power_cut_leaves(tmp_path, shim):
    """Four senders, then nothing but the synced bytes: they open, they are whole, and a daemon goes on with them."""
    config = make_folder(tmp_path / "d")
    store, images = config.parent / "data" / "hl7bridge.db", tmp_path / "images"
    env = preload(shim, images, store)
    shutil.copy(store, images)  # as `init` left it, synced and closed
    load = Load(4)
    with RunningDaemon(config, **env) as daemon:
        load.start(daemon.port)
        load.wait_for(400)
        daemon.kill()
        load.stop()
    cut(images, store)
    check_store(open_store(store, read_key(config.parent / "secrets/store.key")), load)
    with RunningDaemon(config) as daemon:
        load.start(daemon.port)
        load.wait_for(len(load.acknowledged) + 50)
        load.stop()
        daemon.stop()
        check_store(daemon.store(), load)
