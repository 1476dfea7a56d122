"""What the columns that this project adds mean, and the columns of its own tables, each in a sentence."""

from flows.pipeline.event_audit import TABLE as EVENT_AUDIT
from flows.pipeline.event_batch import OUTDATED, SPOOLS
from flows.pipeline.event_batch import TABLE as EVENTS
from flows.pipeline.history import OPENED_AS, VALID_FROM, VALID_TO
from flows.pipeline.sync_log import SYNCS_TABLE, TOTAL_ROWS
from flows.source.email_metrics.state_tables import DAYS, PLACEMENTS
from flows.source.email_records import EmailMetric
from flows.source.endpoints import ACCOUNT_ID, CONNECTION, ROW_HASH, VERSION
from flows.source.quarantine import HASH
from flows.source.quarantine import TABLE as QUARANTINE
from flows.source.records import field_descriptions

ADDED = {
    ACCOUNT_ID: "Account that the row belongs to.",
    CONNECTION: "Connection that read the row, if connections are named.",
    ROW_HASH: "Hash of the row, which changes whenever the row does.",
    VERSION: "Version of the record, to detect changes: an ETag, or a fingerprint of its parent.",
    "campaign_id": "Email series that the person is in.",
    "workflow_id": "Workflow that the trigger starts.",
    "subscription_status": "Status of the person in the series: active, unsubscribed or removed.",
    "links__forms": "Ids of the forms that lead to the series, as a list.",
    "links__campaign": "Email series that the form leads to.",
    VALID_FROM: "Start of the sync that first saw this version.",
    VALID_TO: "Start of the sync that found it changed or deleted; NULL for the current version.",
    OPENED_AS: "Why the version began: first, arrived, changed or returned.",
    "_dlt_id": "dlt's key of the row.",
    "_dlt_load_id": "dlt's id of the load that wrote the row.",
}
"""Columns of the resources' tables and their histories that are not fields of a record."""
MISFIT_TEXT = "Original value of {0}, as JSON, where it does not fit that column."
UNKNOWN_TEXT = "Field that is not in the API reference, as JSON."

OWN_TABLES = {
    EVENTS: "One row per event that webhooks delivered.",
    SPOOLS: "One row per spool of webhook deliveries that was loaded.",
    OUTDATED: "One row per person whose rows in _recipients have to be computed again.",
    SYNCS_TABLE: "One row per run and list.",
    QUARANTINE: "Records that fit no table, as received.",
    EVENT_AUDIT: "One row per account and interval between two full syncs: changes in the history, and their events.",
    DAYS: "One row per account and day of email_metrics: when it was read, and the API's summary.",
    PLACEMENTS: "One row per account and email that the API was asked to place in a workflow.",
}
OWN_COLUMNS = {
    EVENTS: {
        "account_id": "Account of the person.",
        "event_id": "SHA-256 of account, event, person, moment and properties: the key.",
        "event": "Name of the event, such as subscriber.clicked_email.",
        "subscriber_id": "Id of the subscriber.",
        "email": "Email address of the person at the time.",
        "occurred_at": "When it happened, by Drip, in whole seconds.",
        "received_at": "When the first delivery came.",
        "last_received_at": "When the last delivery came.",
        "properties": "Properties of the event, as an object.",
        "subscriber": "The person as of the first delivery, as an object.",
        "other_fields": "What else the delivery held, as an object; NULL if nothing.",
        "deliveries": "How often the event was delivered.",
    },
    OUTDATED: {"account_id": "Account of the person.", "subscriber_id": "Person whose events have changed."},
    SPOOLS: {"spool": "Id of the spool.", "last": "Number of the last delivery that was loaded from the spool."},
    SYNCS_TABLE: {
        "run": "Id of the run.",
        "started": "When the run started.",
        "finished": "When the run ended.",
        "mode": "How the list was read: full or incremental.",
        CONNECTION: "Connection that read it, if connections are named.",
        "account": "Account of the list; NULL if it belongs to the token.",
        "resource": "Resource of the list.",
        "api_rows": "Rows according to the API.",
        "landed_rows": "Distinct rows received.",
        "loaded_rows": "Rows in the destination, of those that were read.",
        TOTAL_ROWS: "Rows of the entire list in the destination.",
        "quarantined_rows": "Records that went to _quarantine.",
        "complete": "Whether the list was proven complete, and the destination has exactly its rows.",
        "history": "Whether a history of it was kept.",
        "note": "Why the list is incomplete, or other information about it.",
    },
    QUARANTINE: {
        "account": "Account of the record; empty if it belongs to the token.",
        "resource": "Resource that it came with.",
        HASH: "Hash of the record.",
        "reason": "Why it fits no table.",
        "record": "The record as received.",
        "seen": "Start of the run that received it last.",
    },
    EVENT_AUDIT: {
        "account_id": "Account that was audited.",
        "interval_start": "Start of the sync before the changes.",
        "interval_end": "Start of the sync that found the changes.",
        "changes": "Changes of subscribers that the history shows, each of which should have an event.",
        "missing_events": "Changes without an event.",
        "events": "Events of such changes that came.",
        "unconfirmed_events": "Events that the history contradicts, so a later event must be missing.",
        "loss": "Share of the changes without an event, between 0 and 1.",
        "loss_low": "Lower end of its 95 % interval.",
        "loss_high": "Upper end of its 95 % interval.",
        "first_missing_hour": "First hour of the interval in which events are missing.",
        "missing_kinds": "Kinds of changes without an event, with their numbers.",
        "settled": "Whether late events can no longer change the row.",
    },
    DAYS: {
        "account_id": "Account of the figures.",
        "date": "Day in the time zone of the account's owner.",
        "read_at": "When the day was read last.",
        "listed": "Whether the day is finished: no further request would list more of its emails.",
        "requests": "Requests that the day took.",
        "emails": "Emails that the API listed.",
    },
    PLACEMENTS: {
        "account_id": "Account of the email.",
        "email_id": "Id of the email.",
        "workflow_id": "Workflow that sends it; NULL if none does.",
        "node_id": "Step of the workflow that sends it; NULL if none does.",
        "asked_from": "First day that the API was asked about.",
        "asked_to": "Last day that the API was asked about.",
    },
}
FIGURES = field_descriptions(EmailMetric)
"""Texts of the columns of the summary of a day, which has the counts of the emails."""
VIEWS = {
    "subscriber_tags": "One row per account, subscriber and tag.",
    "subscriber_changes": "One row per change of a subscriber between two syncs.",
    "workflow_emails": "One row per email that a workflow sends.",
}
VIEW_COLUMN_TEXTS = {
    "subscriber_tags": {
        "account_id": "Account of the person.",
        "subscriber_id": "Id of the subscriber.",
        "tag": "Tag of the person.",
    },
    "subscriber_changes": {
        "account_id": "Account of the person.",
        "subscriber_id": "Id of the subscriber.",
        "seen_at": "Start of the sync that detected the change.",
        "change": "arrived, left, returned, status, tag_added, tag_removed or custom_field.",
        "field": "Custom field that changed.",
        "from_value": "Value before: a status, a tag, or the JSON of a custom field.",
        "to_value": "Value after.",
    },
    "workflow_emails": {
        "account_id": "Account of the workflow.",
        "workflow_id": "Id of the workflow.",
        "workflow": "Name of the workflow.",
        "status": "Status of the workflow: draft, active or paused.",
        "node_id": "Step that sends the email.",
        "automation_email_id": "Id of the email, as in email_metrics.",
        "depth": "Level of the step in the tree, 1 for the steps of the workflow itself.",
    },
}
