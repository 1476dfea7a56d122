-- One row per custom event with a value, with the last email that the person clicked before it (last touch).
-- The value is the number in the property `value`, which Drip's conversions have in cents, or else in `amount`. Clicks of
-- scanners and opens do not count. is_attributed applies the window of SOURCES__DRIP__ATTRIBUTION_DAYS; for another
-- window, compare days_since_click.
--
-- account_id (text): Account of the person.
-- event_id (text): Key of the event in subscriber_events.
-- subscriber_id (text): Person who caused the event.
-- action (text): Name of the custom event.
-- happened_at (timestamp): When it happened.
-- value_in_cents (bigint): Its value in cents, rounded.
-- email_id (text): Last email that the person clicked before; NULL if there is none.
-- delivery_id (text): That email as sent to this person.
-- clicked_at (timestamp): When the person clicked it last.
-- days_since_click (double): Days from that click to the event.
-- is_attributed (bool): Whether the click is within the window, 5 days by default.
WITH valued AS (
    SELECT account_id, event_id, subscriber_id, properties ->> 'action' AS action,
        coalesce(occurred_at, received_at) AS happened_at,
        floor(CAST(
            CASE
                WHEN (properties ->> 'value') ~ '{number}' THEN properties ->> 'value'
                WHEN (properties ->> 'amount') ~ '{number}' THEN properties ->> 'amount'
            END AS DOUBLE PRECISION
        ) + 0.5) AS value_in_cents
    FROM {subscriber_events} AS received
    WHERE event = 'subscriber.performed_custom_event'
),
buyers AS (SELECT DISTINCT account_id, subscriber_id FROM valued WHERE value_in_cents IS NOT NULL),
timeline AS (
    SELECT account_id, subscriber_id, event_id, happened_at, action, CAST(value_in_cents AS BIGINT) AS value_in_cents,
        1 AS is_event,
        CAST(NULL AS VARCHAR) AS email_id, CAST(NULL AS VARCHAR) AS delivery_id
    FROM valued WHERE value_in_cents IS NOT NULL
    UNION ALL
    SELECT click.account_id, click.subscriber_id, click.event_id, click.clicked_at, NULL, NULL, 0, click.email_id,
        click.delivery_id
    FROM {email_clicks} AS click JOIN buyers ON buyers.account_id = click.account_id
        AND buyers.subscriber_id = click.subscriber_id
    WHERE NOT click.is_scanner
),
touched AS (
    SELECT timeline.*, sum(1 - is_event) OVER (
        PARTITION BY account_id, subscriber_id ORDER BY happened_at, is_event, event_id
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS touches
    FROM timeline
),
joined AS (
    SELECT valued.account_id, valued.event_id, valued.subscriber_id, valued.action, valued.happened_at,
        valued.value_in_cents, click.email_id, click.delivery_id, click.happened_at AS clicked_at,
        CAST(extract(epoch FROM valued.happened_at - click.happened_at) AS DOUBLE PRECISION) / 86400 AS days_since_click
    FROM touched AS valued LEFT JOIN touched AS click
        ON click.is_event = 0 AND click.account_id = valued.account_id
        AND click.subscriber_id = valued.subscriber_id AND click.touches = valued.touches
    WHERE valued.is_event = 1
)
SELECT account_id, event_id, subscriber_id, action, happened_at, value_in_cents, email_id, delivery_id, clicked_at,
    days_since_click, coalesce(days_since_click <= {attribution_days}, FALSE) AS is_attributed
FROM joined
