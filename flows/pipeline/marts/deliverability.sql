-- One row per account, day (UTC) and mailbox domain: what came of the emails that were sent on that day.
-- From webhook events, by the day of sending, or of the first event where the webhook does not deliver received_email.
-- Opens are inflated by mail programs. Figures of recent days still rise.
--
-- account_id (text): Account that sent the emails.
-- day (date): Day of sending in UTC.
-- mailbox_domain (text): Domain of the email address, in lower case; NULL if the address is not known.
-- deliveries (bigint): Emails sent to people, each person counted per email.
-- bounces (bigint): Those that bounced.
-- complaints (bigint): Those that were reported as spam.
-- unsubscribes (bigint): Those after which the person unsubscribed.
-- opens (bigint): Those that were opened, inflated by mail programs.
-- clicks (bigint): Those in which the person clicked.
-- bounce_rate (double): Bounces per delivery.
-- complaint_rate (double): Complaints per delivery.
WITH dated AS (
    SELECT account_id, CAST(coalesce(sent_at, first_event_at) AT TIME ZONE 'UTC' AS DATE) AS day,
        nullif(lower(reverse(split_part(reverse(email), '@', 1))), '') AS mailbox_domain,
        bounced_at, complained_at, unsubscribed_at, first_open_at, first_click_at
    FROM {recipients} AS recipient
)
SELECT account_id, day, mailbox_domain, count(*) AS deliveries, count(bounced_at) AS bounces,
    count(complained_at) AS complaints, count(unsubscribed_at) AS unsubscribes, count(first_open_at) AS opens,
    count(first_click_at) AS clicks, CAST(count(bounced_at) AS DOUBLE PRECISION) / count(*) AS bounce_rate,
    CAST(count(complained_at) AS DOUBLE PRECISION) / count(*) AS complaint_rate
FROM dated
GROUP BY account_id, day, mailbox_domain
