"""Telling people what became of a deployment: over a topic and a chat, once, and without holding anything up."""

from ops.notices.notice import Delivery, Notice, Outcome, Severity
from ops.notices.notify import Notifier
from ops.notices.said import Said
from ops.notices.slack import SlackWebhook
from ops.notices.sns import Topic

__all__ = ["Delivery", "Notice", "Notifier", "Outcome", "Said", "Severity", "SlackWebhook", "Topic"]
