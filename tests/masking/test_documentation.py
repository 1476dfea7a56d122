"""docs/masking.md: its example masks what it says, and the page is about all actions."""

import json
import re
from typing import get_args

from flows.source.decoding.decoder import Decoder
from flows.source.decoding.mask_rules import Action
from flows.source.decoding.masking import REDACTED, TOKEN_CHARS
from flows.source.endpoints import ENDPOINTS
from flows.source.mask_setting import check_actions, mask_of
from tests.conftest import PROJECT

PAGE = (PROJECT / "docs" / "masking.md").read_text()


def test_the_example_masks_what_it_says() -> None:
    (text,) = re.findall(r"MASK='(.*)'", PAGE)
    actions = json.loads(text)
    check_actions(actions)
    record = {"id": "a", "email": "a@example.com", "ip_address": "1.2.3.4", "custom_fields": {"Surname": "A", "b": 1}}
    body = json.dumps({"subscribers": [record]}).encode()
    (row,) = Decoder(ENDPOINTS["subscribers"], mask=mask_of(actions, "key")).decode(body, "1").table.to_pylist()
    assert re.fullmatch(f"[0-9a-f]{{{TOKEN_CHARS}}}", row["email"])
    assert row["ip_address"] is None
    assert json.loads(row["custom_fields"]) == {"Surname": REDACTED, "b": 1}
    assert f"A token of {TOKEN_CHARS} hexadecimal digits" in PAGE


def test_every_action_is_described() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == [*get_args(Action)]
