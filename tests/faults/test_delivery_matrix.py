"""A partner that misbehaves in every way, a daemon that is killed at every step: no payment is doubled, none is lost.

One daemon has a destination for each misbehaviour, so each cell is a destination: what it became, and how often its EHR
got the payment.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from killed_daemon import AFTER_WRITE, BEFORE_COMMIT, BEFORE_WRITE
from listening import SECONDS, wait_until
from payment_samples import add_account, make_payment, post
from reactor_thread import in_reactor, start_reactor
from running_daemon import ROOT, RunningDaemon, make_folder, serve

from hl7bridge.net.reactor import reactor
from hl7bridge.net.sink import Behaviour, Script, SinkFactory
from hl7bridge.payments.message import DestinationForm
from hl7bridge.storage.database import open_store, read_key

KILLED = ROOT / "tests" / "killed_daemon.py"
NEVER = "never"
STEPS = (NEVER, BEFORE_WRITE, AFTER_WRITE, BEFORE_COMMIT)
ACK_SECONDS = 1.0
DELAYS = {Behaviour.DELAY: 0.4, Behaviour.LATE: 1.4}  # before and after the time in which a reply must come
BEHAVIOURS = (
    Behaviour.ACCEPT, Behaviour.REFUSE, Behaviour.DELAY, Behaviour.CLOSE, Behaviour.LATE, Behaviour.WRONG_ID,
    Behaviour.GARBAGE, Behaviour.HALF, Behaviour.SILENT,
)  # fmt: skip
_ANSWERING = {Behaviour.ACCEPT: "accepted", Behaviour.DELAY: "accepted", Behaviour.REFUSE: "held"}


def expected(policy: str, step: str, behaviour: Behaviour) -> tuple[str, int]:
    """Return what the delivery is in the end, and how often the EHR got the payment; its first message is misused."""
    if policy == "hold":
        if step != NEVER:
            return "unknown", int(step != BEFORE_WRITE)  # nobody can tell, so a person looks
        late = "accepted" if behaviour is Behaviour.LATE else "unknown"  # the late reply finds its delivery
        return _ANSWERING.get(behaviour, late), 1
    if step in {AFTER_WRITE, BEFORE_COMMIT}:
        return "accepted", 2  # the same bytes again, to which the partner says yes
    if behaviour in _ANSWERING:
        return _ANSWERING[behaviour], 1
    return "accepted", 1 if behaviour is Behaviour.LATE else 2  # whoever is late is listened to before it gets more


class Ehr:
    """The sink of one destination, in this process: the same code as ``hl7bridge sink``."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.got = []
        script = Script([behaviour, Behaviour.ACCEPT])
        factory = SinkFactory(reactor, script, self.got.append, delay=DELAYS.get(behaviour, 0))
        self._port = in_reactor(reactor.listenTCP, 0, factory, interface="127.0.0.1")
        self.port = self._port.getHost().port

    def close(self) -> None:
        in_reactor(self._port.stopListening)


@pytest.fixture
def ehrs():
    start_reactor()
    made = {behaviour: Ehr(behaviour) for behaviour in BEHAVIOURS}
    yield made
    for each in made.values():
        each.close()


def write_site(folder: Path, ehrs, policy: str) -> Path:
    """Write a configuration with a destination for each behaviour, and queue one payment for each."""
    config = make_folder(folder)
    text = config.read_text()
    start, end = text.index("[[destinations]]"), text.index("# ---- Who collects")
    destinations = "".join(
        f'[[destinations]]\nname = "{behaviour}"\nconnect = "127.0.0.1:{ehr.port}"\nack_timeout = "{ACK_SECONDS:g} s"\n'
        f'on_unknown = "{policy}"\nfacilities = ["{behaviour}"]\n'
        'retry = { first = "50 ms", ceiling = "100 ms", attempts = 10 }\n\n'
        for behaviour, ehr in ehrs.items()
    )
    config.write_text(text[:start] + destinations + text[end:])
    with closing(open_the_store(config, create=True)) as store:
        for behaviour in BEHAVIOURS:
            account = add_account(store, f"TACC-{behaviour}", facility=str(behaviour))
            post(store, account, make_payment(f"CHK-{behaviour}"), form=DestinationForm(str(behaviour)))
    return config


def open_the_store(config: Path, *, create: bool = False):
    key = read_key(config.parent / "secrets" / "store.key")
    return open_store(config.parent / "data" / "hl7bridge.db", key, create=create)


def run_until_killed(config: Path, step: str) -> None:
    """Run the daemon until it is killed at a step of all its senders."""
    with serve(config, program=[str(KILLED)], KILL_STEP=step, KILL_COUNT=str(len(BEHAVIOURS))) as process:
        process.communicate(timeout=SECONDS)
        assert process.returncode == -9


def statuses(config: Path) -> dict[str, str]:
    with closing(open_the_store(config)) as store:
        return dict(store.rows("SELECT destination, status FROM deliveries"))


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("policy", ["hold", "resend-same"])
def test_every_misbehaviour_and_every_kill(tmp_path, ehrs, policy, step):
    """Under ``hold`` an EHR gets each payment at most once; under ``resend-same`` it may get the same bytes again."""
    config = write_site(tmp_path, ehrs, policy)
    if step != NEVER:
        run_until_killed(config, step)
    wanted = {str(each): expected(policy, step, each)[0] for each in BEHAVIOURS}
    with RunningDaemon(config) as daemon:
        wait_until(lambda: statuses(config) == wanted, f"expected {wanted}")
        daemon.stop()
    assert statuses(config) == wanted
    for behaviour, ehr in ehrs.items():
        payments = Counter(payment for got in ehr.got for payment in got.transactions)
        times = expected(policy, step, behaviour)[1]
        assert list(payments.values()) == [times] * bool(times), behaviour
        assert len({got.data for got in ehr.got}) == bool(times), behaviour
        assert len({got.control_id for got in ehr.got}) == bool(times), behaviour


def test_the_documentation_has_the_table():
    """docs/sink.md says what this test expects, cell by cell."""
    text = (ROOT / "docs" / "sink.md").read_text()
    for row in table_rows():
        assert row in text, row


def table_rows() -> list[str]:
    """Return the lines of the table: of each behaviour, what becomes of it at each step, under both policies."""
    return [
        f"| `{behaviour}` | "
        + " | ".join(
            f"{status}, {times}"
            for policy in ("hold", "resend-same")
            for status, times in (expected(policy, step, behaviour) for step in STEPS)
        )
        + " |"
        for behaviour in BEHAVIOURS
    ]
