-- One row per account and day (UTC) since the first sync: how the list of subscribers changed, by the history.
-- A change counts on the day of the sync that saw it, which is after it happened. People found by the first sync of an
-- account are in size, not in arrived. Empty without the history of subscribers; days whose versions were deleted after
-- SOURCES__DRIP__HISTORY_DAYS are missing.
--
-- account_id (text): Account of the list.
-- day (date): Day in UTC.
-- arrived (bigint): People who were new in the list, or came back to it after they were deleted.
-- "left" (bigint): People who were deleted from the list.
-- unsubscribed (bigint): People whose status changed to unsubscribed.
-- bounced (bigint): People whose status changed to undeliverable.
-- net (bigint): arrived minus left.
-- size (bigint): People in the list at the end of the day, whatever their status.
WITH lives AS (
    SELECT account_id, valid_from, valid_to, opened_as, status,
        lag(status) OVER life AS old_status, lead(opened_as) OVER life AS followed_as
    FROM {subscribers_history} AS version
    WHERE valid_to IS NOT NULL OR opened_as IN ('changed', 'returned')
    WINDOW life AS (PARTITION BY account_id, id ORDER BY valid_from)
),
moved AS (
    SELECT account_id, valid_from AS moment, CASE WHEN opened_as = 'first' THEN 'first' ELSE 'arrived' END AS movement,
        count(*) AS people
    FROM {subscribers_history} AS version
    WHERE opened_as IN ('first', 'arrived', 'returned')
    GROUP BY 1, 2, 3
    UNION ALL
    SELECT account_id, valid_to, 'left', count(*) FROM lives
    WHERE valid_to IS NOT NULL AND followed_as IS DISTINCT FROM 'changed'
    GROUP BY 1, 2
    UNION ALL
    SELECT account_id, valid_from, status, count(*) FROM lives
    WHERE opened_as = 'changed' AND status IN ('unsubscribed', 'undeliverable') AND old_status IS DISTINCT FROM status
    GROUP BY 1, 2, 3
),
daily AS (
    SELECT account_id, CAST(moment AT TIME ZONE 'UTC' AS DATE) AS day,
        sum(CASE WHEN movement = 'first' THEN people ELSE 0 END) AS first_seen,
        sum(CASE WHEN movement = 'arrived' THEN people ELSE 0 END) AS arrived,
        sum(CASE WHEN movement = 'left' THEN people ELSE 0 END) AS gone,
        sum(CASE WHEN movement = 'unsubscribed' THEN people ELSE 0 END) AS unsubscribed,
        sum(CASE WHEN movement = 'undeliverable' THEN people ELSE 0 END) AS bounced
    FROM moved
    GROUP BY 1, 2
),
read_last AS (
    SELECT account AS account_id, CAST(max(started) AT TIME ZONE 'UTC' AS DATE) AS day
    FROM {_syncs} AS run
    WHERE resource = 'subscribers' AND complete
    GROUP BY account
),
spans AS (
    SELECT account_id, min(daily.day) AS first_day, max(greatest(daily.day, read_last.day)) AS last_day
    FROM daily LEFT JOIN read_last USING (account_id)
    GROUP BY account_id
),
calendar AS (
    SELECT account_id, CAST({each_day} AS DATE) AS day
    FROM spans
)
SELECT account_id, day,
    CAST(coalesce(arrived, 0) AS BIGINT) AS arrived, CAST(coalesce(gone, 0) AS BIGINT) AS "left",
    CAST(coalesce(unsubscribed, 0) AS BIGINT) AS unsubscribed, CAST(coalesce(bounced, 0) AS BIGINT) AS bounced,
    CAST(coalesce(arrived, 0) - coalesce(gone, 0) AS BIGINT) AS net,
    CAST(sum(coalesce(first_seen, 0) + coalesce(arrived, 0) - coalesce(gone, 0)) OVER (
        PARTITION BY account_id ORDER BY day
    ) AS BIGINT) AS size
FROM calendar LEFT JOIN daily USING (account_id, day)
