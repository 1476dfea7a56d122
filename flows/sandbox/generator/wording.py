"""Text for generated accounts: tags, events, subjects, campaign names and so on."""

from typing import Any

COMPANIES = (
    ("Harbour & Pine", "harbour-pine", "America/Chicago"),
    ("Kaffee Köhler", "kaffee-koehler", "Europe/Berlin"),
    ("北の本屋", "kitano-books", "Asia/Tokyo"),
    ("Tiny Garden Club", "tiny-garden", "Europe/London"),
    ("Atelier Élan", "atelier-elan", "Europe/Paris"),
    ("Norte Sur Viajes", "norte-sur", "America/Bogota"),
)

SHARED_TAGS = (
    "Customer",
    "Newsletter",
    "Lead",
    "VIP",
    "Webinar 2025",
    "customer",
    "Trial started",
    "Do not call",
)
OWN_TAGS = (
    "Bought: {}",
    "Downloaded the {} guide",
    "{} – interested",
    "{} / waiting list",
    "Cliqué « {} »",
    "来店 {}",
    "{} 🎁",
    "source:{}",
)
TOPICS = (
    "Oak desk",
    "Espresso",
    "Reading lamp",
    "Raised bed",
    "Linen",
    "Trail map",
    "Ceramics",
    "Winter sale",
    "Café crème",
    "Matcha",
    "Piñata",
    "Сад",
    "Balcony, small",
    'The "Big" Box',
)

SHARED_EVENTS = (
    "Placed an order",
    "Viewed a product",
    "Started a checkout",
    "Started a trial",
    "Logged in",
    "Cancelled",
)
OWN_EVENTS: tuple[str, ...] = (
    "Viewed {}",
    "Added {} to cart",
    "Removed {} from cart",
    "Reviewed {}",
    "Refunded {}",
)
OWN_EVENTS += (
    "Asked about {}",
    "Shared {} 🚀",
    "{} を購入",
    "Visited /pages/{}",
    "Returned {}",
    "Wished for {}",
)

SUBJECTS = (
    "{} is back in stock",
    "A quiet word about {}",
    "Last day: {}",
    "Nouveautés : {}",
    "{}, now with free delivery 🚚",
    "新入荷：{}",
    "Your {} questions, answered",
    "Was {{{{ subscriber.first_name }}}} right about {}?",
)
CAMPAIGNS = ("Welcome series", "{} course", "Win back", "{} onboarding", "After purchase: {}", "5 Tage {}")
WORKFLOWS = (
    "New customer",
    "Abandoned cart: {}",
    "{} follow-up",
    "Birthday",
    "Clean the list",
    "Re-engage: {}",
)
GOALS = ("Bought {}", "Signed up", "Booked a call", "Finished the {} course", "Requested a quote")
ORIENTATIONS = ("bottom_right_tab", "bottom_left_tab", "side_left_tab", "side_right_tab", "embedded", "lightbox")
WEBHOOK_EVENTS = (
    "subscriber.created",
    "subscriber.deleted",
    "subscriber.subscribed_to_campaign",
    "subscriber.applied_tag",
    "subscriber.removed_tag",
    "subscriber.opened_email",
    "subscriber.clicked_email",
    "subscriber.updated_custom_field",
)
TRIGGER_TYPES = ("submitted_form", "applied_tag", "performed_custom_event", "subscribed_to_campaign")

USER_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/136.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) AppleWebKit/605.1.15 Version/18.4",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:138.0) Gecko/20100101 Firefox/138.0",
)
REFERRERS = ("https://www.example.net/search?q=oak+desk", "https://news.example.org/", "direct", "")
LANDINGS = (
    "https://www.example.com/?utm_source=newsletter&utm_medium=email",
    "https://www.example.com/guides/first-garden",
    "https://www.example.com/ja/%E6%9C%AC",
    "https://www.example.com/",
)
MAIL_DOMAINS = ("example.com", "example.com", "example.org", "example.net", "mail.example.com")

CUSTOM_VALUES: dict[str, tuple[Any, ...]] = {
    "plan": ("free", "pro", 3, "pro", 2, "team", None, "free"),
    "is_vip": (True, False, "true", False, None, 1),
    "shirt_size": ("S", "M", "L", "XL", "m", ""),
    "favourite": ("☕️ espresso", "🌱", "desk lamp 💡", "お茶", "شاي", "👩‍👩‍👧 family box"),
    "Weird Field!": ("yes", "no\nor maybe", 'a "quoted" word', 0, "tab\there", "100 %", "O'Neil; --"),
    "birthday": ("1987-04-03", "1990-02-29", "03/11/1979", None, "2001-12-31"),
    "preferences": (
        {"plan": 3, "channels": ["mail", "sms"]},
        {"plan": "pro", "channels": []},
        {"quiet": {"from": "22:00", "to": "07:00"}, "plan": None},
        "none",
        [],
    ),
    "last_basket": (
        [{"sku": "OAK-1", "price": 249.9}, {"sku": "LAMP", "price": 39}],
        [],
        {"sku": "0042", "qty": 2},
        None,
    ),
    "score": (0, 1, 2.5, -3, "n/a", 98.25, 10),
    "newField": ("camel", 1, True),
    "new_field": ("snake", 2, False),
    "store_code": ("007", "0420", "12", 12),
    "referrals": (0, 3, 9_007_199_254_740_993, 12),
    "note": ("", "called twice", "prefers letters ✉️", None, "ได้รับแล้ว", "הערה קצרה"),
    "agreed": (True, False, None),
    "größe": (38, 40.5, "42", None),
}
