"""SQL of the event audit, for DuckDB and PostgreSQL: changes that the history shows, beside events that were received.

The audit compares, for each interval between two full syncs and each person, the versions that were valid at the start
of either sync. So several changes of the same thing within an interval are one change, or none if they cancel out.

The API shows a person at some moment while the list is read, between the start and the end of a sync. Therefore:

- A change may have happened from the start of the first sync to the end of the second one, and its event is accepted
  from all of that time, by `occurred_at` or by `received_at`.
- An event is only expected to show in the history if it occurred between the end of the first sync and the start of
  the second one, and no later event on the same attribute undoes it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from flows.pipeline.changes import TAGS
from flows.pipeline.sync_log import FULL

SKEW = timedelta(minutes=1)
"""Tolerance for differences between the clocks of Drip, of this machine, and whole seconds in `occurred_at`."""
INTERVALS, PEOPLE, RECEIVED = "audited_intervals", "audited_people", "audited_events"
"""Temporary tables of the transaction."""
CREATED, DELETED, UNSUBSCRIBED = "created", "deleted", "unsubscribed"
ADDRESS, TAG_APPLIED, TAG_REMOVED = "address changed", "tag applied", "tag removed"
"""Kinds of changes that both the history and webhooks show."""
KINDS = {
    "CREATED": CREATED,
    "DELETED": DELETED,
    "UNSUBSCRIBED": UNSUBSCRIBED,
    "ADDRESS": ADDRESS,
    "TAG_APPLIED": TAG_APPLIED,
    "TAG_REMOVED": TAG_REMOVED,
}

EVENTS = {
    "created": ("'presence'", "'here'"),
    "deleted": ("'presence'", "'gone'"),
    "unsubscribed_all": ("'status'", "'unsubscribed'"),
    "reactivated": ("'status'", "'other'"),
    "subscribed_to_email_marketing": ("'status'", "'other'"),
    "marked_as_deliverable": ("'status'", "'other'"),
    "marked_as_undeliverable": ("'status'", "'other'"),
    "applied_tag": ("'tag:' || (properties ->> 'tag')", "'on'"),
    "removed_tag": ("'tag:' || (properties ->> 'tag')", "'off'"),
    "updated_email_address": ("'email'", "lower(properties ->> 'value')"),
}
"""By event, in SQL: the attribute that it tells of a person, and the state of this attribute afterwards."""

FIND_INTERVALS = """
    CREATE TEMPORARY TABLE {intervals} AS
    SELECT found.account_id, since, since_end, until, until_end FROM (
        SELECT account AS account_id, started AS until, finished AS until_end,
            lag(started) OVER turn AS since, lag(finished) OVER turn AS since_end
        FROM {syncs}
        WHERE resource = 'subscribers' AND mode = '{full}' AND complete AND history AND account IS NOT NULL
        WINDOW turn AS (PARTITION BY account ORDER BY started)
    ) AS found JOIN (VALUES {accounts}) AS listening (account_id, listening_since)
        ON listening.account_id = found.account_id
    WHERE since >= listening_since AND until >= {oldest} AND since >= {kept_since}
"""

FIND_RECEIVED = """
    CREATE TEMPORARY TABLE {received} AS
    SELECT * FROM (
        SELECT account_id, subscriber_id, coalesce(occurred_at, received_at) AS moment, received_at,
            CASE event {attributes} END AS attribute, CASE event {states} END AS state
        FROM {events}
        WHERE event IN ({names}) AND received_at >= {first} - INTERVAL '{skew} seconds'
    ) AS dated
    WHERE attribute IS NOT NULL AND state IS NOT NULL AND subscriber_id IS NOT NULL
        AND EXISTS (SELECT 1 FROM {intervals} AS turn WHERE turn.account_id = dated.account_id)
"""

FIND_PEOPLE = """
    CREATE TEMPORARY TABLE {people} AS
    WITH chosen AS (
        SELECT turn.account_id, until, id AS subscriber_id
        FROM {history} AS version JOIN {intervals} AS turn ON turn.account_id = version.account_id
            AND ((valid_from > since AND valid_from <= until) OR (valid_to > since AND valid_to <= until))
        WHERE valid_from >= {first} OR valid_to >= {first}
        UNION
        SELECT turn.account_id, until, subscriber_id
        FROM {received} AS received JOIN {intervals} AS turn ON turn.account_id = received.account_id
            AND moment >= since AND moment <= until
    ),
    first_seen AS (
        SELECT account_id, id, min(valid_from) AS first_from FROM {history} AS version
        WHERE EXISTS (SELECT 1 FROM chosen WHERE chosen.account_id = version.account_id AND subscriber_id = id)
        GROUP BY account_id, id
    )
    SELECT chosen.account_id, chosen.subscriber_id, chosen.until AS valid_from, since, since_end, until_end,
        old.id IS NOT NULL AS was_here, fresh.id IS NOT NULL AS is_here, first_seen.first_from > since AS is_new,
        old.status AS old_status, fresh.status, lower(old.email) AS old_email, lower(fresh.email) AS email,
        old.tags AS old_tags, fresh.tags, fresh.created_at
    FROM chosen
    JOIN {intervals} AS turn ON turn.account_id = chosen.account_id AND turn.until = chosen.until
    LEFT JOIN {history} AS old ON old.account_id = chosen.account_id AND old.id = subscriber_id
        AND old.valid_from <= since AND (old.valid_to IS NULL OR old.valid_to > since)
    LEFT JOIN {history} AS fresh ON fresh.account_id = chosen.account_id AND fresh.id = subscriber_id
        AND fresh.valid_from <= turn.until AND (fresh.valid_to IS NULL OR fresh.valid_to > turn.until)
    LEFT JOIN first_seen ON first_seen.account_id = chosen.account_id AND first_seen.id = subscriber_id
"""

CHANGES = """
    WITH compared AS (SELECT * FROM {people}),
    tags_now AS ({tags_now}),
    tags_then AS ({tags_then}),
    changed_tags AS (
        SELECT account_id, subscriber_id, valid_from, tag, 'on' AS state, '{TAG_APPLIED}' AS kind
        FROM (SELECT * FROM tags_now EXCEPT SELECT * FROM tags_then) AS added
        UNION ALL
        SELECT account_id, subscriber_id, valid_from, tag, 'off', '{TAG_REMOVED}'
        FROM (SELECT * FROM tags_then EXCEPT SELECT * FROM tags_now) AS removed
    ),
    changes AS (
        SELECT account_id, subscriber_id, valid_from, 'presence' AS attribute, 'here' AS state, '{CREATED}' AS kind
        FROM compared WHERE is_here AND is_new AND coalesce(created_at, since) >= since - INTERVAL '{skew} seconds'
        UNION ALL
        SELECT account_id, subscriber_id, valid_from, 'presence', 'gone', '{DELETED}'
        FROM compared WHERE was_here AND NOT is_here
        UNION ALL
        SELECT account_id, subscriber_id, valid_from, 'status', 'unsubscribed', '{UNSUBSCRIBED}' FROM compared
        WHERE was_here AND is_here AND status = 'unsubscribed' AND old_status IS DISTINCT FROM 'unsubscribed'
        UNION ALL
        SELECT account_id, subscriber_id, valid_from, 'email', email, '{ADDRESS}'
        FROM compared WHERE was_here AND is_here AND email <> old_email
        UNION ALL
        SELECT account_id, subscriber_id, valid_from, 'tag:' || tag, changed_tags.state, kind
        FROM changed_tags JOIN compared USING (account_id, subscriber_id, valid_from)
        WHERE was_here AND is_here
    ),
    answered AS (
        SELECT changes.account_id, changes.subscriber_id, changes.valid_from, kind,
            min(person.created_at) AS created_at,
            max(moment) FILTER (WHERE received.state = changes.state) AS confirmed_at,
            max(moment) FILTER (
                WHERE received.state <> changes.state AND moment < changes.valid_from - INTERVAL '{skew} seconds'
            ) AS denied_at
        FROM changes
        JOIN compared AS person ON person.account_id = changes.account_id
            AND person.subscriber_id = changes.subscriber_id AND person.valid_from = changes.valid_from
        LEFT JOIN {received} AS received ON received.account_id = changes.account_id
            AND received.subscriber_id = changes.subscriber_id AND received.attribute = changes.attribute
            AND (moment BETWEEN since - INTERVAL '{skew} seconds' AND until_end + INTERVAL '{skew} seconds'
                OR received_at BETWEEN since - INTERVAL '{skew} seconds' AND until_end + INTERVAL '{skew} seconds')
        GROUP BY changes.account_id, changes.subscriber_id, changes.valid_from, changes.attribute, kind
    )
    SELECT account_id, valid_from, kind, count(*) AS changes,
        count(*) FILTER (WHERE confirmed_at IS NULL OR denied_at > confirmed_at) AS missing,
        min(created_at) FILTER (WHERE kind = '{CREATED}' AND confirmed_at IS NULL) AS first_created
    FROM answered GROUP BY account_id, valid_from, kind ORDER BY account_id, valid_from, kind
"""
"""A row per interval and kind: changes, those without an event, and when the first person was created without one."""

UNCONFIRMED = """
    WITH compared AS (SELECT * FROM {people}),
    tags_now AS ({tags_now}),
    newest AS (
        SELECT received.account_id, subscriber_id, until, attribute, max(moment) AS moment
        FROM {received} AS received JOIN {intervals} AS turn ON turn.account_id = received.account_id
            AND moment > since_end + INTERVAL '{skew} seconds' AND moment <= until_end + INTERVAL '{skew} seconds'
        GROUP BY received.account_id, subscriber_id, until, attribute
    ),
    final AS (
        SELECT newest.account_id, newest.subscriber_id, newest.until AS valid_from, newest.attribute,
            min(state) AS state
        FROM newest JOIN {received} AS received ON received.account_id = newest.account_id
            AND received.subscriber_id = newest.subscriber_id AND received.attribute = newest.attribute
            AND received.moment = newest.moment
        WHERE newest.moment < newest.until - INTERVAL '{skew} seconds'
        GROUP BY newest.account_id, newest.subscriber_id, newest.until, newest.attribute
        HAVING min(state) = max(state)
    )
    SELECT account_id, valid_from, count(*) AS unconfirmed
    FROM (
        SELECT final.account_id, final.valid_from FROM final
        JOIN compared USING (account_id, subscriber_id, valid_from)
        LEFT JOIN tags_now ON tags_now.account_id = final.account_id
            AND tags_now.subscriber_id = final.subscriber_id AND tags_now.valid_from = final.valid_from
            AND final.attribute = 'tag:' || tags_now.tag
        WHERE CASE
            WHEN attribute = 'presence' THEN (state = 'here') <> is_here
            WHEN NOT is_here THEN FALSE
            WHEN attribute = 'status' THEN state = 'unsubscribed' AND status = 'active'
            WHEN attribute = 'email' THEN state IS DISTINCT FROM email
            ELSE (state = 'on') <> (tags_now.tag IS NOT NULL) END
    ) AS contradicted
    GROUP BY account_id, valid_from
"""
"""A row per interval: attributes whose newest event the history contradicts, so that a later event must be missing."""

COUNTED = """
    SELECT turn.account_id, until, count(*) FROM {received} AS received JOIN {intervals} AS turn
        ON turn.account_id = received.account_id AND moment >= since AND moment < until
    GROUP BY turn.account_id, until
"""
"""A row per interval: the events of the kinds that the audit compares."""

HOURS = """
    SELECT account_id, CAST(floor(extract(epoch FROM coalesce(occurred_at, received_at)) / 3600) AS BIGINT) AS hour,
        count(*) AS events
    FROM {events} WHERE account_id IN ({accounts}) AND coalesce(occurred_at, received_at) >= {first}
    GROUP BY 1, 2
"""
"""A row per account and hour since 1970 in which any event occurred."""


class AuditSql:
    """The statements of an audit.

    Args:
        dialect: duckdb or postgres.
        tables: qualified names of `syncs`, `history` and `events`.
        oldest: intervals that ended earlier are left out.
        kept_since: intervals that began earlier are left out, since their events or versions may have been deleted.
    """

    def __init__(self, dialect: str, tables: Mapping[str, str], oldest: datetime, kept_since: datetime) -> None:
        self._dialect = dialect
        self._names = {
            **tables,
            "oldest": moment(oldest),
            "kept_since": moment(kept_since),
            "first": f"(SELECT min(since) FROM {INTERVALS})",
            "skew": f"{SKEW.total_seconds():.0f}",
            "intervals": INTERVALS,
            "people": PEOPLE,
            "received": RECEIVED,
        }

    def prepare(self, listening: Mapping[str, datetime]) -> Sequence[str]:
        """The statements that create the temporary tables; `listening` says since when each account has a webhook."""
        accounts = ", ".join(f"({text(name)}, {moment(since)})" for name, since in listening.items())
        pick = {name: " ".join(f"WHEN 'subscriber.{event}' THEN {sql[place]}" for event, sql in EVENTS.items())
                for place, name in enumerate(("attributes", "states"))}  # fmt: skip
        events = ", ".join(f"'subscriber.{event}'" for event in EVENTS)
        return [
            FIND_INTERVALS.format(**self._names, full=FULL, accounts=accounts),
            FIND_RECEIVED.format(**self._names, **pick, names=events),
            FIND_PEOPLE.format(**self._names),
        ]

    def changes(self) -> str:
        """See `CHANGES`."""
        return CHANGES.format(**self._names, **self._tags(), **KINDS)

    def unconfirmed(self) -> str:
        """See `UNCONFIRMED`."""
        return UNCONFIRMED.format(**self._names, **self._tags())

    def counted(self) -> str:
        """See `COUNTED`."""
        return COUNTED.format(**self._names)

    def hours(self, accounts: Sequence[str]) -> str:
        """See `HOURS`."""
        return HOURS.format(**self._names, accounts=", ".join(map(text, accounts)))

    def _tags(self) -> dict[str, str]:
        columns = {"tags_now": "tags", "tags_then": "old_tags"}
        return {name: TAGS[self._dialect].format(column=column) for name, column in columns.items()}


def moment(when: datetime) -> str:
    """A moment with time zone as SQL."""
    return f"TIMESTAMP WITH TIME ZONE '{when.isoformat()}'"


def text(value: str) -> str:
    """A text as SQL."""
    quoted = value.replace("'", "''")
    return f"'{quoted}'"
