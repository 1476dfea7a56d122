-- One row per person and delivery: what came of each email that was sent to each person, from webhook events.
-- Opens are inflated, since mail programs open emails by themselves and Drip does not tell such opens apart: rely on
-- clicks. sent_at needs a webhook with include_received_email. Events without delivery_id and email_id are left out.
-- An unsubscription has no delivery: it is counted for the last one before it.
--
-- account_id (text): Account that sent the email.
-- subscriber_id (text): Person it was sent to.
-- delivery_id (text): The email as sent to this person; the id of the email if Drip gave no other.
-- email_id (text): Email that was sent.
-- email_subject (text): Its subject line.
-- email (text): Email address of the person at the time.
-- first_event_at (timestamp): When the first event of the delivery happened.
-- sent_at (timestamp): When it was sent; NULL if the webhook does not deliver received_email.
-- first_open_at (timestamp): When it was first opened, by the person or by a mail program.
-- opens (bigint): Number of opens, inflated by mail programs.
-- first_click_at (timestamp): When the person first clicked a link, without clicks of scanners.
-- clicks (bigint): Number of clicks by the person.
-- scanner_clicks (bigint): Number of clicks by link scanners.
-- minutes_to_open (double): Minutes from sent_at to first_open_at.
-- minutes_to_click (double): Minutes from sent_at to first_click_at.
-- bounced_at (timestamp): When it first bounced; NULL if it did not.
-- complained_at (timestamp): When the person reported it as spam; NULL if they did not.
-- unsubscribed_at (timestamp): When the person unsubscribed from all mailings, before the next delivery to them.
WITH opened AS (
    SELECT account_id, subscriber_id, email, event, coalesce(occurred_at, received_at) AS happened_at,
        {email_fields} AS fields
    FROM {subscriber_events} AS event
    WHERE event IN (
        'subscriber.received_email', 'subscriber.opened_email', 'subscriber.bounced', 'subscriber.complained'
    )
),
received AS (
    SELECT account_id, subscriber_id, coalesce(fields[1], fields[2]) AS delivery_id, fields[2] AS email_id,
        fields[3] AS email_subject, email, event, happened_at
    FROM opened
    UNION ALL
    SELECT account_id, subscriber_id, delivery_id, email_id, NULL, email,
        CASE WHEN is_scanner THEN 'scanner' ELSE 'subscriber.clicked_email' END, clicked_at
    FROM {email_clicks} AS click
),
sent AS (
    SELECT account_id, subscriber_id, delivery_id, max(email_id) AS email_id, max(email_subject) AS email_subject,
        max(email) AS email, min(happened_at) AS first_event_at,
        min(happened_at) FILTER (WHERE event = 'subscriber.received_email') AS sent_at,
        min(happened_at) FILTER (WHERE event = 'subscriber.opened_email') AS first_open_at,
        count(*) FILTER (WHERE event = 'subscriber.opened_email') AS opens,
        min(happened_at) FILTER (WHERE event = 'subscriber.clicked_email') AS first_click_at,
        count(*) FILTER (WHERE event = 'subscriber.clicked_email') AS clicks,
        count(*) FILTER (WHERE event = 'scanner') AS scanner_clicks,
        min(happened_at) FILTER (WHERE event = 'subscriber.bounced') AS bounced_at,
        min(happened_at) FILTER (WHERE event = 'subscriber.complained') AS complained_at
    FROM received
    WHERE delivery_id IS NOT NULL
    GROUP BY account_id, subscriber_id, delivery_id
),
leaving AS (
    SELECT account_id, subscriber_id, coalesce(occurred_at, received_at) AS unsubscribed_at
    FROM {subscriber_events} AS event
    WHERE event = 'subscriber.unsubscribed_all' AND subscriber_id IS NOT NULL
),
before_leaving AS (
    SELECT sent.account_id, sent.subscriber_id, sent.delivery_id, leaving.unsubscribed_at,
        row_number() OVER (
            PARTITION BY sent.account_id, sent.subscriber_id, leaving.unsubscribed_at
            ORDER BY sent.first_event_at DESC, sent.delivery_id DESC
        ) AS deliveries_since
    FROM leaving JOIN sent ON sent.account_id = leaving.account_id AND sent.subscriber_id = leaving.subscriber_id
        AND sent.first_event_at <= leaving.unsubscribed_at
),
lost AS (
    SELECT account_id, subscriber_id, delivery_id, min(unsubscribed_at) AS unsubscribed_at
    FROM before_leaving WHERE deliveries_since = 1
    GROUP BY account_id, subscriber_id, delivery_id
)
SELECT sent.account_id, sent.subscriber_id, sent.delivery_id, email_id, email_subject, email, first_event_at, sent_at,
    first_open_at, opens, first_click_at, clicks, scanner_clicks,
    CAST(extract(epoch FROM first_open_at - sent_at) AS DOUBLE PRECISION) / 60 AS minutes_to_open,
    CAST(extract(epoch FROM first_click_at - sent_at) AS DOUBLE PRECISION) / 60 AS minutes_to_click,
    bounced_at, complained_at, unsubscribed_at
FROM sent LEFT JOIN lost ON lost.account_id = sent.account_id AND lost.subscriber_id = sent.subscriber_id
    AND lost.delivery_id = sent.delivery_id
