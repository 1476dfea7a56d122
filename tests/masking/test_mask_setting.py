"""A mask that would break a table, or hide less than it says, is refused in one line."""

import json

import pytest

from flows.common.errors import SettingsError
from flows.common.scrubbing import scrub
from flows.orchestration.secret_blocks import block_of
from flows.source.settings import common_settings

KEY = "correct horse battery"


def use(monkeypatch: pytest.MonkeyPatch, mask: object, key: str = KEY) -> None:
    monkeypatch.setenv("SOURCES__DRIP__MASK", mask if isinstance(mask, str) else json.dumps(mask))
    monkeypatch.setenv("SOURCES__DRIP__MASK_KEY", key)


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        ({"id": "hmac"}, "id is a key of accounts"),
        ({"account_id": "drop"}, "account_id is a key of accounts"),
        ({"tag": "redact"}, "tag is a key of tags"),
        ({"*": "drop"}, "matches id, a key of accounts"),
        ({"tags.tag": "hmac"}, "matches tag, a key of tags"),
        ({"users.email": "redact"}, "a key of users, which cannot be masked with redact: use hmac"),
        ({"email": "drop"}, "use hmac, or a name such as subscribers.email"),
        ({"links": "redact"}, "links is a key"),
        ({"links.*": "drop"}, "matches links.account"),
        ({"subscriber_id": "hmac"}, "a key of subscriber_events"),
        ({"data": "drop"}, "a key of subscriber_events"),
        ({"created_at": "hmac"}, "which is not text: use drop"),
        ({"email": "hash"}, "has to be one of hmac, redact, drop, not 'hash'"),
        ({"custom_fields..phone": "drop"}, "is not the name of a field"),
        (
            "email",
            'SOURCES__DRIP__MASK has to be a JSON object, such as {"email": "hmac"}; it is text that is not JSON',
        ),
    ],
)
def test_refused(mask: object, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, mask)
    with pytest.raises(SettingsError) as refused:
        common_settings()
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_tokens_need_a_key_which_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, {"email": "hmac"}, key=" ")
    with pytest.raises(SettingsError, match="set SOURCES__DRIP__MASK_KEY to a secret"):
        _ = common_settings().masking
    use(monkeypatch, {"email": "hmac"})
    assert KEY not in repr(common_settings().masking.fingerprint)
    assert scrub(f"the key is {KEY}") == "the key is ***"
    assert block_of("SOURCES__DRIP__MASK_KEY") == "sources-drip-mask-key"


def test_the_fingerprint_tells_masks_and_keys_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for mask, key in (({}, KEY), ({"email": "hmac"}, KEY), ({"email": "hmac"}, "x"), ({"phone": "drop"}, KEY)):
        use(monkeypatch, mask, key)
        found.append(common_settings().masking.fingerprint)
    assert found[0] == ""
    assert len({*found}) == len(found)
