"""Typed records of the newer lists about emails: segments, audiences, the steps of workflows, performance."""

import msgspec

from flows.source.records import Date, Float, Int, Json, Record, Text, Time


class Segment(Record):
    """A saved search for people."""

    id: Text = None
    href: Text = None
    name: Text = None
    created_at: Time = None
    updated_at: Time = None
    links: Json = msgspec.UNSET


class BroadcastAudience(Record):
    """Whom a broadcast goes to: a filter, or what the API can say of one that it cannot show as such."""

    broadcast_id: Text = None
    filter: Json = msgspec.UNSET
    summary: Text = None
    message: Text = None
    unsupported_types: Json = msgspec.UNSET


class WorkflowDetails(Record):
    """A workflow with the tree of its steps."""

    id: Text = None
    href: Text = None
    name: Text = None
    description: Text = None
    status: Text = None
    created_at: Time = None
    updated_at: Time = None
    node_count: Int = None
    details: Json = msgspec.UNSET
    links: Json = msgspec.UNSET


class EmailMetric(Record):
    """One email on one day. Money is in cents; rates are relative to `sends`, as the API gave them."""

    date: Date = None
    email_id: Text = None
    broadcast_id: Text = None
    workflow_id: Text = None
    node_id: Text = None
    title: Text = None
    sends: Int = None
    deliveries: Int = None
    opens: Int = None
    open_rate: Float = None
    clicks: Int = None
    click_rate: Float = None
    bot_clicks: Int = None
    bot_click_rate: Float = None
    unsubscribes: Int = None
    unsubscribe_rate: Float = None
    hard_bounces: Int = None
    hard_bounce_rate: Float = None
    complaints: Int = None
    complaint_rate: Float = None
    orders: Int = None
    order_rate: Float = None
    revenue_in_cents: Int = None
    revenue_per_person_in_cents: Int = None
    average_order_value_in_cents: Int = None


COUNTS = (
    "sends", "deliveries", "opens", "clicks", "bot_clicks", "unsubscribes", "hard_bounces", "complaints", "orders",
    "revenue_in_cents",
)  # fmt: skip
"""Fields of an email that add up to the summary, and over days."""
