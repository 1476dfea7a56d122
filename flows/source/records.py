"""A typed record per resource, from which its schema, decoder and documentation derive.

A record lists the fields in the API reference ("Fields"). Values may be null and fields may be missing, so every field
is optional. Fields that are not listed here are loaded as JSON columns.
"""

import functools
import typing
from datetime import date, datetime
from typing import Annotated, Any

import msgspec

INT64 = msgspec.Meta(ge=-(2**63), le=2**63 - 1)

Text = str | None
Int = Annotated[int, INT64] | None
Bool = bool | None
Float = float | None
Date = date | None
Time = datetime | None
OTHER_FIELDS = "_other_fields"
"""A JSON column for unknown fields without a column of their own; a record type has it once it is widened."""
Json = msgspec.Raw | msgspec.UnsetType
"""Stored as received, in a JSON column, which preserves types, keys and their order."""


class Record(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """Base of all records. Decoding fails on unknown fields, so that the decoder detects and adds them.

    Records cannot be part of reference cycles, so the garbage collector does not need to track them.
    """


fields_of = functools.lru_cache(maxsize=64)(msgspec.structs.fields)
"""The fields of a record type. Cached, since msgspec takes a millisecond; bounded, since decoders create types."""


@functools.cache
def field_types(record: type[Record]) -> dict[str, Any]:
    """The types by field name, in order, without the descriptions."""
    return {name: without_description(hint) for name, hint in _hints(record).items()}


@functools.cache
def field_descriptions(record: type[Record]) -> dict[str, str]:
    """What each field means, in a sentence, by name."""
    return {name: hint.__metadata__[0] for name, hint in _hints(record).items() if _is_described(hint)}


def without_description(hint: Any) -> Any:
    """The type of a field from its annotation."""
    return typing.get_args(hint)[0] if _is_described(hint) else hint


def is_json(field: msgspec.structs.FieldInfo) -> bool:
    """Whether a field of a record type is kept as JSON."""
    return bool(without_description(field.type) == Json)


def _hints(record: type[Record]) -> dict[str, Any]:
    """The annotations by field name: `Annotated[type, description]`, or a type without a description."""
    return typing.get_type_hints(record, include_extras=True)


def _is_described(hint: Any) -> bool:
    return typing.get_origin(hint) is Annotated


class Account(Record):
    """A Drip account that the token has access to."""

    id: Annotated[Text, "Id of the account."] = None
    name: Annotated[Text, "Name of the account."] = None
    url: Annotated[Text, "Website of the account."] = None
    default_from_name: Annotated[Text, "Sender name of new emails."] = None
    default_from_email: Annotated[Text, "Sender address of new emails."] = None
    default_postal_address: Annotated[Text, "Postal address at the foot of new emails."] = None
    primary_email: Annotated[Text, "Email address of the account's owner."] = None
    enable_third_party_cookies: Annotated[Bool, "Whether Drip's tracking uses third-party cookies."] = None
    phone_number: Annotated[Text, "Phone number of the account."] = None
    created_at: Annotated[Time, "When the account was created."] = None
    href: Annotated[Text, "URL of the record in the API."] = None


class User(Record):
    """The user that the token belongs to."""

    email: Annotated[Text, "Email address that the user signs in with."] = None
    name: Annotated[Text, "Name of the user."] = None
    time_zone: Annotated[Text, "Time zone of the user."] = None


class Broadcast(Record):
    """A one-off email: draft, scheduled, sending, sent, canceled or deleted."""

    id: Annotated[Text, "Id of the broadcast."] = None
    status: Annotated[Text, "draft, scheduled, sending, sent, canceled or deleted."] = None
    name: Annotated[Text, "Name of the broadcast, which recipients do not see."] = None
    from_name: Annotated[Text, "Sender name."] = None
    from_email: Annotated[Text, "Sender address."] = None
    postal_address: Annotated[Text, "Postal address at the foot of the email."] = None
    localize_sending_time: Annotated[Bool, "Whether it is sent at the local time of each recipient."] = None
    send_at: Annotated[Time, "When it is to be sent, or was."] = None
    bcc: Annotated[Text, "Addresses that receive a blind copy."] = None
    created_at: Annotated[Time, "When the broadcast was created."] = None
    href: Annotated[Text, "URL of the record in the API."] = None
    preview_url: Annotated[Text, "URL of a preview, which changes."] = None
    subject: Annotated[Text, "Subject line."] = None
    html_body: Annotated[Text, "The email in HTML."] = None
    text_body: Annotated[Text, "The email in plain text."] = None
    derived: Annotated[Json, "Drip's summary in words, whose wording changes."] = msgspec.UNSET
    links: Annotated[Json, "Ids of related records."] = msgspec.UNSET


class Campaign(Record):
    """An email series: draft, active or paused."""

    id: Annotated[Text, "Id of the email series."] = None
    status: Annotated[Text, "draft, active or paused."] = None
    name: Annotated[Text, "Name of the series."] = None
    from_name: Annotated[Text, "Sender name."] = None
    from_email: Annotated[Text, "Sender address."] = None
    postal_address: Annotated[Text, "Postal address at the foot of its emails."] = None
    minutes_from_midnight: Annotated[Int, "Time of day of sending, in minutes from midnight."] = None
    localize_sending_time: Annotated[Bool, "Whether it is sent at the local time of each recipient."] = None
    days_of_the_week_mask: Annotated[Text, "Days of sending: seven digits from Sunday on, 1 for yes."] = None
    start_immediately: Annotated[Bool, "Whether the first email is sent at once."] = None
    double_optin: Annotated[Bool, "Whether people have to confirm their subscription."] = None
    send_to_confirmation_page: Annotated[Bool, "Whether people who subscribe see a confirmation page."] = None
    use_custom_confirmation_page: Annotated[Bool, "Whether that page is the account's own."] = None
    confirmation_url: Annotated[Text, "URL of the account's own confirmation page."] = None
    post_confirmation_url: Annotated[Text, "URL of the page that people see after they confirmed."] = None
    notify_subscribe_email: Annotated[Text, "Address that is notified of new subscriptions."] = None
    notify_unsubscribe_email: Annotated[Text, "Address that is notified of unsubscriptions."] = None
    bcc: Annotated[Text, "Addresses that receive a blind copy."] = None
    email_count: Annotated[Int, "Number of emails in the series."] = None
    active_subscriber_count: Annotated[Int, "Number of people who are in the series."] = None
    unsubscribed_subscriber_count: Annotated[Int, "Number of people who unsubscribed from the series."] = None
    created_at: Annotated[Time, "When the series was created."] = None
    href: Annotated[Text, "URL of the record in the API."] = None
    links: Annotated[Json, "Ids of related records."] = msgspec.UNSET


class Workflow(Record):
    """An automation: draft, active or paused."""

    id: Annotated[Text, "Id of the workflow."] = None
    href: Annotated[Text, "URL of the record in the API."] = None
    name: Annotated[Text, "Name of the workflow."] = None
    status: Annotated[Text, "draft, active or paused."] = None
    created_at: Annotated[Time, "When the workflow was created."] = None
    links: Annotated[Json, "Ids of related records."] = msgspec.UNSET


class Subscriber(Record):
    """A person on the list, whatever their status. Money is in cents, `utc_offset` in minutes."""

    id: Annotated[Text, "Id of the subscriber, unique within an account."] = None
    status: Annotated[Text, "active, unsubscribed, undeliverable, or another status."] = None
    initial_status: Annotated[Text, "Status at the time of creation."] = None
    email: Annotated[Text, "Email address."] = None
    first_name: Annotated[Text, "First name."] = None
    last_name: Annotated[Text, "Last name."] = None
    address1: Annotated[Text, "First line of the postal address."] = None
    address2: Annotated[Text, "Second line of the postal address."] = None
    city: Annotated[Text, "City."] = None
    state: Annotated[Text, "State or region."] = None
    zip: Annotated[Text, "Postal code."] = None
    country: Annotated[Text, "Country."] = None
    phone: Annotated[Text, "Phone number."] = None
    sms_number: Annotated[Text, "Phone number for text messages."] = None
    sms_consent: Annotated[Bool, "Whether the person agreed to text messages."] = None
    eu_consent: Annotated[Text, "Consent under the GDPR: granted, denied or unknown."] = None
    time_zone: Annotated[Text, "Time zone of the person."] = None
    utc_offset: Annotated[Int, "Offset of that time zone from UTC in minutes, daylight saving time included."] = None
    visitor_uuid: Annotated[Text, "Id of the person as a visitor of the website."] = None
    custom_fields: Annotated[Json, "Custom fields and their values, as an object."] = msgspec.UNSET
    tags: Annotated[Json, "Tags, as a list."] = msgspec.UNSET
    ip_address: Annotated[Text, "IP address of the person."] = None
    user_agent: Annotated[Text, "User agent of the person's browser."] = None
    original_referrer: Annotated[Text, "URL that led the person to the website first."] = None
    landing_url: Annotated[Text, "URL of the first page that the person visited."] = None
    prospect: Annotated[Bool, "Whether lead scoring applies to the person."] = None
    lead_score: Annotated[Int, "Lead score."] = None
    base_lead_score: Annotated[Int, "Lead score at the beginning."] = None
    lifetime_value: Annotated[Int, "Value of the person in cents, as Drip counts it."] = None
    user_id: Annotated[Text, "Id of the person in the account's own systems."] = None
    created_at: Annotated[Time, "When the person was added to the account."] = None
    href: Annotated[Text, "URL of the record in the API."] = None
    links: Annotated[Json, "Ids of related records."] = msgspec.UNSET


class CustomField(Record):
    """The name of a custom field that the account uses."""

    custom_field_identifier: Annotated[Text, "Name of the custom field."] = None


class Conversion(Record):
    """A goal; `default_value` is in cents."""

    id: Annotated[Text, "Id of the goal."] = None
    status: Annotated[Text, "active or disabled."] = None
    name: Annotated[Text, "Name of the goal."] = None
    url: Annotated[Text, "URL whose visit reaches the goal."] = None
    default_value: Annotated[Int, "Value in cents of reaching the goal, by default."] = None
    counting_method: Annotated[Text, "How often a visitor counts: one_per_visitor or all."] = None
    created_at: Annotated[Time, "When the goal was created."] = None
    href: Annotated[Text, "URL of the record in the API."] = None
    links: Annotated[Json, "Ids of related records."] = msgspec.UNSET


class Event(Record):
    """The name of a custom event that the account records."""

    event_action: Annotated[Text, "Name of the custom event."] = None


class Tag(Record):
    """A tag that the account uses."""

    tag: Annotated[Text, "The tag."] = None


class Webhook(Record):
    """A URL that Drip posts events to; `events` is a list of their names."""

    id: Annotated[Text, "Id of the webhook."] = None
    href: Annotated[Text, "URL of the record in the API."] = None
    post_url: Annotated[Text, "Scheme, host and fingerprint of the URL that Drip posts to; the rest is secret."] = None
    version: Annotated[Text, "Version of the deliveries' format."] = None
    include_received_email: Annotated[Bool, "Whether received_email is delivered too."] = None
    events: Annotated[Json, "Names of the events that are delivered, as a list."] = msgspec.UNSET
    created_at: Annotated[Time, "When the webhook was created."] = None
    links: Annotated[Json, "Ids of related records."] = msgspec.UNSET


class Form(Record):
    """A sign-up form. `opacity` is between 0 and 1."""

    id: Annotated[Text, "Id of the form."] = None
    href: Annotated[Text, "URL of the record in the API."] = None
    headline: Annotated[Text, "Headline."] = None
    description: Annotated[Text, "Text below the headline."] = None
    button_text: Annotated[Text, "Text of the button."] = None
    confirmation_heading: Annotated[Text, "Headline after signing up."] = None
    confirmation_text: Annotated[Text, "Text after signing up."] = None
    send_ga_event: Annotated[Bool, "Whether Google Analytics is sent an event."] = None
    seconds_before_popup: Annotated[Int, "Seconds until the form opens."] = None
    days_between_popup: Annotated[Int, "Days until the form opens again."] = None
    days_between_popup_after_close: Annotated[Int, "Days until the form opens again after it was closed."] = None
    orientation: Annotated[Text, "Where the form appears: a corner, a side, embedded or lightbox."] = None
    opacity: Annotated[Float, "Opacity of the background, between 0 and 1."] = None
    show_labels: Annotated[Bool, "Whether the fields have labels."] = None
    primary_color: Annotated[Text, "Primary color."] = None
    secondary_color: Annotated[Text, "Secondary color."] = None
    is_widget_enabled: Annotated[Bool, "Whether the form appears on the website."] = None
    whitelist: Annotated[Json, "Pages that the form appears on, as a list."] = msgspec.UNSET
    blacklist: Annotated[Json, "Pages that the form does not appear on, as a list."] = msgspec.UNSET
    is_whitelist_enabled: Annotated[Bool, "Whether the whitelist applies."] = None
    is_blacklist_enabled: Annotated[Bool, "Whether the blacklist applies."] = None
    hide_on_mobile: Annotated[Bool, "Whether the form is hidden on phones."] = None
    is_embeddable: Annotated[Bool, "Whether the form can be embedded in a page."] = None
    created_at: Annotated[Time, "When the form was created."] = None
    links: Annotated[Json, "Ids of related records."] = msgspec.UNSET


class CampaignSubscriber(Subscriber):
    """A person in an email series. `id` and `status` are those of the subscriber."""


class WorkflowTrigger(Record):
    """A trigger that starts a workflow."""

    id: Annotated[Text, "Id of the trigger."] = None
    href: Annotated[Text, "URL of the record in the API."] = None
    type: Annotated[Text, "Type of the step, which is `trigger`."] = None
    provider: Annotated[Text, "Service that the trigger listens to."] = None
    trigger_type: Annotated[Text, "What starts the workflow."] = None
    properties: Annotated[Json, "Settings of the trigger, as an object."] = msgspec.UNSET
    actions_required: Annotated[Json, "What has to be done before the trigger works, as a list."] = msgspec.UNSET
    links: Annotated[Json, "Ids of related records."] = msgspec.UNSET
