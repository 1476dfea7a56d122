"""Typed records of the newer lists about emails: segments, audiences, the steps of workflows, performance."""

from typing import Annotated

import msgspec

from flows.source.records import Date, Float, Int, Json, Record, Text, Time


class Segment(Record):
    """A saved search for people."""

    id: Annotated[Text, "Id of the segment."] = None
    href: Annotated[Text, "URL of the record in the API."] = None
    name: Annotated[Text, "Name of the segment."] = None
    created_at: Annotated[Time, "When the segment was created."] = None
    updated_at: Annotated[Time, "When the segment was changed last."] = None
    links: Annotated[Json, "Ids of related records."] = msgspec.UNSET


class BroadcastAudience(Record):
    """The audience of a broadcast: its filter, or a summary if the API cannot show the filter."""

    broadcast_id: Annotated[Text, "Broadcast that goes to the audience."] = None
    filter: Annotated[Json, "Conditions that the recipients meet, if the API can show them."] = msgspec.UNSET
    summary: Annotated[Text, "The audience in words, if the API cannot show the conditions."] = None
    message: Annotated[Text, "Why the API cannot show the conditions."] = None
    unsupported_types: Annotated[Json, "Types of conditions that the API cannot show."] = msgspec.UNSET


class WorkflowDetails(Record):
    """A workflow with the tree of its steps."""

    id: Annotated[Text, "Id of the workflow."] = None
    href: Annotated[Text, "URL of the record in the API."] = None
    name: Annotated[Text, "Name of the workflow."] = None
    description: Annotated[Text, "Description of the workflow."] = None
    status: Annotated[Text, "draft, active or paused."] = None
    created_at: Annotated[Time, "When the workflow was created."] = None
    updated_at: Annotated[Time, "When the workflow was changed last."] = None
    node_count: Annotated[Int, "Number of steps."] = None
    details: Annotated[Json, "Tree of the steps."] = msgspec.UNSET
    links: Annotated[Json, "Ids of related records."] = msgspec.UNSET


class EmailMetric(Record):
    """One email on one day. Money is in cents; rates are relative to `sends`, as the API gave them."""

    date: Annotated[Date, "Day in the time zone of the account's owner."] = None
    email_id: Annotated[Text, "Id of the email, or `other` for the rest that Drip does not list."] = None
    broadcast_id: Annotated[Text, "Id of the broadcast, if the email is one."] = None
    workflow_id: Annotated[Text, "Workflow that sends the email."] = None
    node_id: Annotated[Text, "Step of the workflow that sends the email."] = None
    title: Annotated[Text, "Title of the email."] = None
    sends: Annotated[Int, "Emails sent."] = None
    deliveries: Annotated[Int, "Emails delivered."] = None
    opens: Annotated[Int, "Opens, inflated by mail programs."] = None
    open_rate: Annotated[Float, "Opens per send."] = None
    clicks: Annotated[Int, "Clicks, without those of bots."] = None
    click_rate: Annotated[Float, "Clicks per send."] = None
    bot_clicks: Annotated[Int, "Clicks of bots."] = None
    bot_click_rate: Annotated[Float, "Clicks of bots per send."] = None
    unsubscribes: Annotated[Int, "People who unsubscribed."] = None
    unsubscribe_rate: Annotated[Float, "Unsubscribes per send."] = None
    hard_bounces: Annotated[Int, "Emails that bounced for good."] = None
    hard_bounce_rate: Annotated[Float, "Hard bounces per send."] = None
    complaints: Annotated[Int, "People who reported the email as spam."] = None
    complaint_rate: Annotated[Float, "Complaints per send."] = None
    orders: Annotated[Int, "Orders that Drip attributes to the email."] = None
    order_rate: Annotated[Float, "Orders per send."] = None
    revenue_in_cents: Annotated[Int, "Revenue of these orders in cents."] = None
    revenue_per_person_in_cents: Annotated[Int, "Revenue per person in cents."] = None
    average_order_value_in_cents: Annotated[Int, "Revenue per order in cents."] = None


COUNTS = (
    "sends", "deliveries", "opens", "clicks", "bot_clicks", "unsubscribes", "hard_bounces", "complaints", "orders",
    "revenue_in_cents",
)  # fmt: skip
"""Fields of an email that add up to the summary, and over days."""
