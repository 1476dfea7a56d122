"""Subscriber records, generated from indices alone, one page at a time."""

from typing import Any

import numpy as np

from flows.sandbox.generator.draws import Indices, choose, draw, key_of, sparse, uniform
from flows.sandbox.generator.places import REGIONS, Place, Region
from flows.sandbox.generator.population import STATUSES, Population
from flows.sandbox.generator.timeline import DAY, iso_all
from flows.sandbox.generator.traits import CustomFields, Tags
from flows.sandbox.generator.wording import LANDINGS, MAIL_DOMAINS, REFERRERS, USER_AGENTS

API = "https://api.getdrip.com/v2"
HOMES = [region for region in REGIONS for _ in range(region.weight)]
NAMED, ADDRESSED, PHONED, TRACKED, KNOWN_USER, TEXTED = 0.88, 0.45, 0.4, 0.7, 0.5, 0.2
BUYERS, ORDER_CENTS, LARGEST = 0.3, 40_000, 2_147_483_646
WITHOUT_SMS = 50
NETWORKS = ("192.0.2.{}", "198.51.100.{}", "203.0.113.{}", "2001:db8::{:x}")

Column = list[Any]


class People:
    """Generates an account's subscribers; `made` counts the generated records, so that tests can check laziness."""

    def __init__(self, account_id: str, population: Population, tags: Tags, fields: CustomFields) -> None:
        self.account_id = account_id
        self.population = population
        self.tags = tags
        self.fields = fields
        self.made = 0

    def records(self, indices: Indices, now: int) -> list[dict[str, Any]]:
        """The records of these people as of `now` (epoch seconds)."""
        self.made += len(indices)
        if not len(indices):
            return []
        columns = self._columns(indices, now)
        records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        for row in np.nonzero(indices % WITHOUT_SMS == 0)[0].tolist():
            del records[row]["sms_number"], records[row]["sms_consent"]
        return records

    def _columns(self, indices: Indices, now: int) -> dict[str, Column]:
        lives = self.population.lives(indices)
        ids = self.population.ids(indices)
        homes = choose(self._key("home"), indices, HOMES)
        statuses = [STATUSES[code] for code in lives.status(now).tolist()]
        return {
            "id": ids,
            "status": statuses,
            "initial_status": choose(self._key("initial"), indices, ("active", "active", "active", "unconfirmed")),
            **self._names(indices, homes),
            **self._address(indices, homes),
            **self._contact(indices, homes),
            "custom_fields": self.fields.values(indices, lives.created, now),
            "tags": self.tags.carried(indices, lives.created, now),
            **self._visit(indices),
            **self._worth(indices, lives.created, now),
            "user_id": self._some("user", indices, [f"{index:06d}" for index in indices.tolist()], KNOWN_USER),
            "created_at": iso_all(lives.created),
            "href": [f"{API}/{self.account_id}/subscribers/{one}" for one in ids],
            "links": [{"account": self.account_id}] * len(ids),
        }

    def _key(self, *parts: str) -> int:
        return key_of(self.population.key, *parts)

    def _some(self, name: str, indices: Indices, values: Column, share: float) -> Column:
        return sparse(self._key(name, "some"), indices, values, share)

    def _names(self, indices: Indices, homes: list[Region]) -> dict[str, Column]:
        given = self._of(indices, "given", [home.given for home in homes])
        family = self._of(indices, "family", [home.family for home in homes])
        domains = choose(self._key("domain"), indices, MAIL_DOMAINS)
        people = zip(given, family, indices.tolist(), domains, strict=True)
        emails = [f"{first[1]}.{last[1]}{index}@{domain}" for first, last, index, domain in people]
        return {
            "email": emails,
            "first_name": self._some("first", indices, [name for name, _ in given], NAMED),
            "last_name": self._some("last", indices, [name for name, _ in family], NAMED),
        }

    def _address(self, indices: Indices, homes: list[Region]) -> dict[str, Column]:
        places: list[Place] = self._of(indices, "place", [home.places for home in homes])
        numbers = (draw(self._key("street"), indices) % np.uint64(200)).tolist()
        streets = [home.street.format(number + 1) for home, number in zip(homes, numbers, strict=True)]
        digits = (draw(self._key("zip"), indices) % np.uint64(10_000)).tolist()
        columns: dict[str, Column] = {
            "address1": streets,
            "address2": [f"#{number}" if number % 9 == 0 else None for number in numbers],
            "city": [place.city for place in places],
            "state": [place.state for place in places],
            "zip": [_zip(place, digit) for place, digit in zip(places, digits, strict=True)],
        }
        columns = {name: self._some("address", indices, column, ADDRESSED) for name, column in columns.items()}
        return {
            **columns,
            "country": self._some("country", indices, [home.country for home in homes], PHONED * 2),
        }

    def _contact(self, indices: Indices, homes: list[Region]) -> dict[str, Column]:
        numbers = (draw(self._key("phone"), indices) % np.uint64(100)).tolist()
        phones = [f"{home.dial}{number:02d}" for home, number in zip(homes, numbers, strict=True)]
        consents = ("unknown", "unknown", "granted", "denied", None)
        return {
            "phone": self._some("phone", indices, phones, PHONED),
            "sms_number": self._some("sms", indices, [phone.replace(" ", "") for phone in phones], TEXTED),
            "sms_consent": (uniform(self._key("sms consent"), indices) < TEXTED / 2).tolist(),
            "eu_consent": choose(self._key("eu consent"), indices, consents),
            "time_zone": [home.time_zone for home in homes],
            "utc_offset": [home.utc_offset for home in homes],
        }

    def _visit(self, indices: Indices) -> dict[str, Column]:
        words = draw(self._key("visitor"), indices).tolist()
        addresses = [NETWORKS[word % 4].format(word % 254 + 1) for word in words]
        columns: dict[str, Column] = {
            "visitor_uuid": [f"{word:016x}{word ^ 0x5BD1E995:016x}" for word in words],
            "ip_address": addresses,
            "user_agent": choose(self._key("agent"), indices, USER_AGENTS),
            "original_referrer": choose(self._key("referrer"), indices, REFERRERS),
            "landing_url": choose(self._key("landing"), indices, LANDINGS),
        }
        return {name: self._some("visit", indices, column, TRACKED) for name, column in columns.items()}

    def _worth(self, indices: Indices, created: Indices, now: int) -> dict[str, Column]:
        luck = uniform(self._key("buyer"), indices)
        pace = uniform(self._key("pace"), indices)
        orders = np.where(luck < BUYERS, (now - created) // (40 * DAY + pace * 500 * DAY), 0).astype(np.int64)
        cents = orders * (900 + (uniform(self._key("order"), indices) ** 3 * ORDER_CENTS).astype(np.int64))
        base = (draw(self._key("score"), indices) % np.uint64(40)).astype(np.int64)
        scored = luck < 2 * BUYERS
        return {
            "prospect": scored.tolist(),
            "lead_score": [
                s if p else None for s, p in zip((base + 7 * orders).tolist(), scored.tolist(), strict=True)
            ],
            "base_lead_score": [s if p else None for s, p in zip(base.tolist(), scored.tolist(), strict=True)],
            "lifetime_value": [c or None for c in np.minimum(cents, LARGEST).tolist()],
        }

    def _of(self, indices: Indices, name: str, pools: list[Any]) -> Column:
        words = draw(self._key(name), indices).tolist()
        return [pool[word % len(pool)] for pool, word in zip(pools, words, strict=True)]


def _zip(place: Place, digits: int) -> str:
    if not place.zip_digits:
        return place.zip_start
    return f"{place.zip_start}{digits % 10**place.zip_digits:0{place.zip_digits}d}"
