"""Sends a notice on every way, each once and for itself; whoever notifies is never harmed by it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from ops.notices import retry
from ops.notices.notice import Delivery, Notice, Outcome, Sender, Undelivered
from ops.notices.retry import Patience
from ops.notices.said import Said

_GRACE_SECONDS = 2.0
"""For the table, before and after."""


class Notifier:
    """`Notifier(senders, said).notify(notice)`. `said` is None where nothing else could say the same."""

    def __init__(self, senders: Sequence[Sender], said: Said | None, patience: Patience | None = None) -> None:
        self._senders = tuple(senders)
        self._said = said
        self._patience = patience or Patience()

    def notify(self, notice: Notice) -> list[Delivery]:
        """What became of it on each way, in about half a minute at most; never raises for a way that fails.

        A way that hangs is reported as failed; should it come back, what it sent is marked as said.
        """
        found: dict[str, Delivery] = {}
        threads = [
            # A daemon, so that one that hangs does not keep the process from ending.
            threading.Thread(target=self._deliver, args=(sender, notice, found), daemon=True)
            for sender in self._senders
        ]
        for thread in threads:
            thread.start()
        clock = self._patience.clock
        deadline = clock() + self._patience.in_all_seconds + _GRACE_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - clock()))
        hanging = f"no answer within {self._patience.in_all_seconds:g} s"
        return [
            found.get(sender.name) or Delivery(sender=sender.name, outcome=Outcome.FAILED, reason=hanging)
            for sender in self._senders
        ]

    def _deliver(self, sender: Sender, notice: Notice, found: dict[str, Delivery]) -> None:
        try:
            found[sender.name] = self._once(sender, notice)
        except Exception as error:  # whatever it is, it must not end a canary, and its text may hold an address
            found[sender.name] = Delivery(
                sender=sender.name, outcome=Outcome.FAILED, reason=f"unexpected: {type(error).__name__}"
            )

    def _once(self, sender: Sender, notice: Notice) -> Delivery:
        if self._said is None:
            return self._send(sender, notice)
        # A way that failed is tried again without the others saying it twice.
        key = f"{notice.key}#{sender.name}"
        try:
            claim = self._said.claim(key)
        except (BotoCoreError, ClientError) as error:
            # Better said twice than not at all.
            sent = self._send(sender, notice)
            return sent if sent.outcome is Outcome.FAILED else _but(sent, error)
        if claim is None:
            return Delivery(sender=sender.name, outcome=Outcome.SAID_BEFORE)
        sent = self._send(sender, notice)
        try:
            if sent.outcome is Outcome.SENT:
                self._said.mark(key)
            else:
                self._said.give_up(key, claim)
        except (BotoCoreError, ClientError) as error:
            return sent if sent.outcome is Outcome.FAILED else _but(sent, error)
        return sent

    def _send(self, sender: Sender, notice: Notice) -> Delivery:
        try:
            retry.send(sender, notice, self._patience)
        except Undelivered as error:
            return Delivery(sender=sender.name, outcome=Outcome.FAILED, reason=str(error))
        return Delivery(sender=sender.name, outcome=Outcome.SENT)


def _but(sent: Delivery, error: Exception) -> Delivery:
    why = f"may be said again, since the table could not be used: {type(error).__name__}"
    return Delivery(sender=sent.sender, outcome=sent.outcome, reason=why)
