-- One row per account and subscriber ever seen, also of deleted ones, with the last known values.
-- It needs the history of subscribers: without it, only those who are in the list now, with first_seen NULL. Versions
-- deleted after SOURCES__DRIP__HISTORY_DAYS are not seen any more, nor are people deleted by `drip-flows forget`.
--
-- account_id (text): Account that the person belongs to.
-- id (text): Id of the subscriber, unique within an account.
-- first_seen (timestamp): Start of the sync that first saw the person.
-- deleted_at (timestamp): Start of the sync that found the person gone from the list; NULL if they are in it.
-- subscribers.*
WITH versions AS (
    SELECT account_id, id, min(valid_from) AS first_seen, max(valid_from) AS last_from
    FROM {subscribers_history} AS version
    GROUP BY account_id, id
),
gone AS (
    SELECT version.*, versions.first_seen
    FROM versions JOIN {subscribers_history} AS version
        ON version.account_id = versions.account_id AND version.id = versions.id
        AND version.valid_from = versions.last_from
    WHERE NOT EXISTS (
        SELECT 1 FROM {subscribers} AS person
        WHERE person.account_id = versions.account_id AND person.id = versions.id
    )
),
last_read AS (
    SELECT account AS account_id, max(started) AS started
    FROM {_syncs} AS run
    WHERE resource = 'subscribers' AND complete
    GROUP BY account
)
SELECT account_id, id, first_seen, CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS deleted_at, {of_subscriber}
FROM {subscribers} AS person LEFT JOIN versions USING (account_id, id)
UNION ALL
SELECT account_id, id, first_seen, coalesce(valid_to, started) AS deleted_at, {of_subscriber}
FROM gone LEFT JOIN last_read USING (account_id)
