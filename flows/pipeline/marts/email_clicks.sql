-- One row per click on a link of an email, from webhook events. Clicks of link scanners are flagged, not removed.
-- A scanner is recognized by its user agent, or by clicking two different links of a delivery within a second, or three
-- within five seconds. A scanner that clicks a single link with a browser's user agent is not recognized.
--
-- account_id (text): Account that sent the email.
-- event_id (text): Key of the event in subscriber_events.
-- subscriber_id (text): Person whose link was clicked.
-- email (text): Email address of the person at the time.
-- clicked_at (timestamp): When the link was clicked.
-- delivery_id (text): The email as sent to this person; the id of the email if Drip gave no other.
-- email_id (text): Email that contains the link.
-- url (text): Where the link leads.
-- user_agent (text): User agent of whoever clicked.
-- ip_address (text): IP address of whoever clicked.
-- is_scanner (bool): Whether a link scanner clicked, rather than the person.
WITH received AS (
    SELECT account_id, event_id, subscriber_id, email, coalesce(occurred_at, received_at) AS clicked_at,
        {email_fields} AS fields
    FROM {subscriber_events} AS event
    WHERE event = 'subscriber.clicked_email'
),
clicks AS (
    SELECT account_id, event_id, subscriber_id, email, clicked_at, coalesce(fields[1], fields[2]) AS delivery_id,
        fields[2] AS email_id, fields[4] AS url, fields[5] AS user_agent, fields[6] AS ip_address
    FROM received
),
compared AS (
    SELECT clicks.*,
        clicked_at - lag(clicked_at) OVER delivery AS since_last,
        lead(clicked_at) OVER delivery - clicked_at AS until_next,
        clicked_at - lag(clicked_at, 2) OVER delivery AS since_last_but_one,
        lead(clicked_at, 2) OVER delivery - clicked_at AS until_next_but_one,
        lag(url) OVER delivery AS last_url, lead(url) OVER delivery AS next_url,
        lag(url, 2) OVER delivery AS last_url_but_one, lead(url, 2) OVER delivery AS next_url_but_one
    FROM clicks
    WINDOW delivery AS (PARTITION BY account_id, subscriber_id, delivery_id ORDER BY clicked_at, event_id)
)
SELECT account_id, event_id, subscriber_id, email, clicked_at, delivery_id, email_id, url, user_agent, ip_address,
    coalesce(lower(user_agent) ~ '.*({scanners}).*', FALSE)
    OR (delivery_id IS NOT NULL AND coalesce(
        (url <> last_url AND since_last <= INTERVAL '1 second')
        OR (url <> next_url AND until_next <= INTERVAL '1 second')
        OR (url <> last_url AND last_url <> last_url_but_one AND url <> last_url_but_one
            AND since_last_but_one <= INTERVAL '5 seconds')
        OR (url <> next_url AND next_url <> next_url_but_one AND url <> next_url_but_one
            AND until_next_but_one <= INTERVAL '5 seconds')
        OR (url <> last_url AND url <> next_url AND last_url <> next_url
            AND since_last + until_next <= INTERVAL '5 seconds'),
        FALSE
    )) AS is_scanner
FROM compared
