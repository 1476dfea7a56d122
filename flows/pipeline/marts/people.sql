-- One row per account and subscriber who is in the list now, with how recently they opened and clicked.
-- Recency counts the days up to the newest webhook event of the account, by clicks of the person: opens are inflated by
-- mail programs, and clicks of scanners do not count. Without webhook events, everybody is in the band `never`.
--
-- account_id (text): Account that the person belongs to.
-- subscriber_id (text): Id of the subscriber.
-- email (text): Email address.
-- status (text): active, unsubscribed, undeliverable, or another status of Drip.
-- created_at (timestamp): When the person was added to the account.
-- tags (json): Tags of the person, as a list.
-- lifetime_value (bigint): Value of the person in cents, as Drip counts it.
-- is_reachable (bool): Whether the person is active and never reported an email as spam.
-- last_open_at (timestamp): Last open of an email, by the person or by a mail program.
-- last_click_at (timestamp): Last click of the person in an email.
-- days_since_click (bigint): Whole days from that click to the newest event of the account.
-- recency_band (text): 30, 60, 90 or 180 if the last click is not older than that many days, older, or never.
WITH deeds AS (
    SELECT account_id, subscriber_id,
        max(coalesce(occurred_at, received_at)) FILTER (WHERE event = 'subscriber.opened_email') AS last_open_at,
        max(coalesce(occurred_at, received_at)) FILTER (WHERE event = 'subscriber.complained') AS complained_at
    FROM {subscriber_events} AS received
    WHERE event IN ('subscriber.opened_email', 'subscriber.complained')
    GROUP BY account_id, subscriber_id
),
clicked AS (
    SELECT account_id, subscriber_id, max(clicked_at) AS last_click_at
    FROM {email_clicks} AS click
    WHERE NOT is_scanner
    GROUP BY account_id, subscriber_id
),
newest AS (
    SELECT account_id, least(max(coalesce(occurred_at, received_at)), max(received_at)) AS newest_at
    FROM {subscriber_events} AS received
    GROUP BY account_id
),
dated AS (
    SELECT person.account_id, person.id AS subscriber_id, person.email, person.status, person.created_at, person.tags,
        person.lifetime_value, coalesce(person.status = 'active', FALSE) AND complained_at IS NULL AS is_reachable,
        last_open_at, last_click_at,
        CAST(floor(extract(epoch FROM newest_at - last_click_at) / 86400) AS BIGINT) AS days_since_click
    FROM {subscribers} AS person
    LEFT JOIN deeds ON deeds.account_id = person.account_id AND deeds.subscriber_id = person.id
    LEFT JOIN clicked ON clicked.account_id = person.account_id AND clicked.subscriber_id = person.id
    LEFT JOIN newest ON newest.account_id = person.account_id
)
SELECT dated.*,
    CASE
        WHEN days_since_click IS NULL THEN 'never'
        WHEN days_since_click < 30 THEN '30'
        WHEN days_since_click < 60 THEN '60'
        WHEN days_since_click < 90 THEN '90'
        WHEN days_since_click < 180 THEN '180'
        ELSE 'older'
    END AS recency_band
FROM dated
