-- One row per email that was sent: broadcasts, steps of workflows, and all others (series, rules, forms).
-- The figures count people, by webhook events if the email has any; otherwise they are the sums of email_metrics;
-- `source` names which. Opens are inflated by mail programs. The row 'other' of email_metrics, the rest of an account's
-- emails that Drip does not list, is kept. An email without any figures has no row.
--
-- account_id (text): Account that sent the email.
-- email_id (text): Id of the email, as in webhook events and email_metrics.
-- kind (text): broadcast, workflow, or other.
-- broadcast_id (text): Id of the broadcast, if the email is one.
-- workflow_id (text): Workflow that sends it.
-- node_id (text): Step of the workflow that sends it.
-- title (text): Subject line, or the title that Drip gives it.
-- send_at (timestamp): When the broadcast was sent, or else the first event of the email; NULL if neither is known.
-- source (text): Where the figures are from: webhooks or email_metrics.
-- sends (bigint): People it was sent to; if webhooks do not tell, from email_metrics.
-- opens (bigint): People who opened it, inflated by mail programs.
-- clicks (bigint): People who clicked, without scanners.
-- scanner_clicks (bigint): People whose links were clicked by a scanner.
-- bounces (bigint): People it did not reach; email_metrics counts hard bounces only.
-- complaints (bigint): People who reported it as spam.
-- unsubscribes (bigint): People who unsubscribed after it.
-- orders (bigint): Orders that came of it; from webhooks, custom events with a value by last touch.
-- revenue_in_cents (bigint): Their value in cents.
WITH tracked AS (
    SELECT account_id, email_id, max(email_subject) AS email_subject, min(first_event_at) AS first_event_at,
        nullif(count(sent_at), 0) AS sends, count(first_open_at) AS opens, count(first_click_at) AS clicks,
        count(*) FILTER (WHERE scanner_clicks > 0) AS scanner_clicks, count(bounced_at) AS bounces,
        count(complained_at) AS complaints, count(unsubscribed_at) AS unsubscribes
    FROM {recipients} AS recipient
    WHERE email_id IS NOT NULL
    GROUP BY account_id, email_id
),
earned AS (
    SELECT account_id, email_id, count(*) AS orders, CAST(sum(value_in_cents) AS BIGINT) AS revenue_in_cents
    FROM {attributed_events} AS earning
    WHERE is_attributed AND email_id IS NOT NULL
    GROUP BY account_id, email_id
),
figures AS (
    SELECT account_id, email_id, max(broadcast_id) AS broadcast_id, max(workflow_id) AS workflow_id,
        max(node_id) AS node_id, max(title) AS title,
        CAST(sum(sends) AS BIGINT) AS sends, CAST(sum(opens) AS BIGINT) AS opens, CAST(sum(clicks) AS BIGINT) AS clicks,
        CAST(sum(bot_clicks) AS BIGINT) AS scanner_clicks, CAST(sum(hard_bounces) AS BIGINT) AS bounces,
        CAST(sum(complaints) AS BIGINT) AS complaints, CAST(sum(unsubscribes) AS BIGINT) AS unsubscribes,
        CAST(sum(orders) AS BIGINT) AS orders, CAST(sum(revenue_in_cents) AS BIGINT) AS revenue_in_cents
    FROM {email_metrics} AS metric
    GROUP BY account_id, email_id
),
steps AS (
    SELECT account_id, automation_email_id AS email_id, max(workflow_id) AS workflow_id, max(node_id) AS node_id
    FROM {workflow_emails} AS step
    GROUP BY account_id, automation_email_id
),
known AS (
    SELECT account_id, email_id, tracked.email_id IS NOT NULL AS is_tracked, tracked.email_subject,
        tracked.first_event_at,
        figures.broadcast_id, figures.workflow_id, figures.node_id, figures.title,
        coalesce(tracked.sends, figures.sends) AS sends,
        CASE WHEN tracked.email_id IS NULL THEN figures.opens ELSE tracked.opens END AS opens,
        CASE WHEN tracked.email_id IS NULL THEN figures.clicks ELSE tracked.clicks END AS clicks,
        CASE WHEN tracked.email_id IS NULL THEN figures.scanner_clicks ELSE tracked.scanner_clicks END
            AS scanner_clicks,
        CASE WHEN tracked.email_id IS NULL THEN figures.bounces ELSE tracked.bounces END AS bounces,
        CASE WHEN tracked.email_id IS NULL THEN figures.complaints ELSE tracked.complaints END AS complaints,
        CASE WHEN tracked.email_id IS NULL THEN figures.unsubscribes ELSE tracked.unsubscribes END AS unsubscribes,
        figures.orders, figures.revenue_in_cents
    FROM tracked FULL JOIN figures USING (account_id, email_id)
)
SELECT known.account_id, known.email_id,
    CASE
        WHEN known.broadcast_id IS NOT NULL OR broadcast.id IS NOT NULL THEN 'broadcast'
        WHEN known.workflow_id IS NOT NULL OR steps.workflow_id IS NOT NULL THEN 'workflow'
        ELSE 'other'
    END AS kind,
    coalesce(known.broadcast_id, broadcast.id) AS broadcast_id,
    coalesce(known.workflow_id, steps.workflow_id) AS workflow_id, coalesce(known.node_id, steps.node_id) AS node_id,
    coalesce(broadcast.subject, known.email_subject, known.title) AS title,
    coalesce(broadcast.send_at, known.first_event_at) AS send_at,
    CASE WHEN is_tracked THEN 'webhooks' ELSE 'email_metrics' END AS source,
    sends, opens, clicks, scanner_clicks, bounces, complaints, unsubscribes,
    CASE WHEN is_tracked THEN coalesce(earned.orders, 0) ELSE known.orders END AS orders,
    CASE WHEN is_tracked THEN coalesce(earned.revenue_in_cents, 0) ELSE known.revenue_in_cents END AS revenue_in_cents
FROM known
LEFT JOIN {broadcasts} AS broadcast
    ON broadcast.account_id = known.account_id AND broadcast.id = coalesce(known.broadcast_id, known.email_id)
LEFT JOIN steps ON steps.account_id = known.account_id AND steps.email_id = known.email_id
LEFT JOIN earned ON earned.account_id = known.account_id AND earned.email_id = known.email_id
