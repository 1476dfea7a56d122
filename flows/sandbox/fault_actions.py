"""The effects of faults on a request, its response or the connection; `flows.sandbox.faults` documents the kinds."""

from typing import Any, Literal, TypeAlias

import msgspec

from flows.sandbox.messages import Answer, Call, Json, errors, flat, html, of_body


class Action(msgspec.Struct, frozen=True, tag_field="kind", forbid_unknown_fields=True):
    """Base class of fault actions. Each kind overrides the steps that it affects."""

    def before(self, call: Call, account: Any, world: Any) -> None:
        """Change the world before the request is answered."""

    def ask(self, call: Call) -> Call:
        """Change the request."""
        return call

    def envelope(self, body: Json, selector: str) -> Json:
        """Change the response body before it is encoded."""
        return body

    def answer(self, answer: Answer) -> Answer:
        """Change the response, or how it is delivered."""
        return answer


class Status(Action, frozen=True, tag="status"):
    status: int
    body: Literal["errors", "flat", "html", "empty"] = "errors"
    code: str | None = None
    message: str | None = None
    retry_after: float | None = None

    def answer(self, answer: Answer) -> Answer:
        headers = {} if self.retry_after is None else {"retry-after": f"{self.retry_after:g}"}
        return self._made().with_headers(headers)

    def _made(self) -> Answer:
        match self.body:
            case "errors":
                return errors(self.status, self.code, self.message)
            case "flat":
                return flat(self.status, self.message or "API rate limit exceeded. Please try again in an hour.")
            case "html":
                return html(self.status, self.message or "Something went wrong")
            case "empty":
                return of_body(self.status, b"", "text/plain")


class Reset(Action, frozen=True, tag="reset"):
    def answer(self, answer: Answer) -> Answer:
        return msgspec.structs.replace(answer, reset=True)


class Cut(Action, frozen=True, tag="cut"):
    share: float = 0.5

    def answer(self, answer: Answer) -> Answer:
        return msgspec.structs.replace(answer, sent=int(len(answer.body) * self.share))


class Truncate(Action, frozen=True, tag="truncate"):
    share: float = 0.5

    def answer(self, answer: Answer) -> Answer:
        return msgspec.structs.replace(answer, body=answer.body[: int(len(answer.body) * self.share)])


class Html(Action, frozen=True, tag="html"):
    message: str = "We will be back soon"

    def answer(self, answer: Answer) -> Answer:
        return html(200, self.message)


class Slow(Action, frozen=True, tag="slow"):
    seconds: float
    drip: int = 0

    def answer(self, answer: Answer) -> Answer:
        return msgspec.structs.replace(answer, seconds=self.seconds, pieces=self.drip)


class SpendBudget(Action, frozen=True, tag="spend_budget"):
    def before(self, call: Call, account: Any, world: Any) -> None:
        world.budget.spend()


class Delete(Action, frozen=True, tag="delete"):
    count: int = 1
    first: bool = False

    def before(self, call: Call, account: Any, world: Any) -> None:
        if account is None:
            return
        people = account.subscribers
        people.delete(people.ids()[: self.count] if self.first else people.sample(self.count))


class Arrive(Action, frozen=True, tag="arrive"):
    count: int = 1

    def before(self, call: Call, account: Any, world: Any) -> None:
        if account is not None:
            account.arrive(self.count)


class Meta(Action, frozen=True, tag="meta"):
    values: dict[str, Any] = {}
    remove: list[str] = []
    absent: bool = False

    def envelope(self, body: Json, selector: str) -> Json:
        meta = {**body.get("meta", {}), **self.values}
        kept = {name: value for name, value in meta.items() if name not in self.remove}
        without = {name: value for name, value in body.items() if name != "meta"}
        return without if self.absent else {**without, "meta": kept}


class Inject(Action, frozen=True, tag="inject"):
    records: list[Any]
    position: int | None = None

    def envelope(self, body: Json, selector: str) -> Json:
        records = list(body[selector])
        at = len(records) if self.position is None else self.position
        return {**body, selector: [*records[:at], *self.records, *records[at:]]}


class Duplicate(Action, frozen=True, tag="duplicate"):
    position: int = 0

    def envelope(self, body: Json, selector: str) -> Json:
        return {**body, selector: [*body[selector], *body[selector][self.position : self.position + 1]]}


class ReplaceRecord(Action, frozen=True, tag="replace_record"):
    position: int = 0
    record: Any = None

    def envelope(self, body: Json, selector: str) -> Json:
        records = list(body[selector])
        records[self.position : self.position + 1] = [self.record]
        return {**body, selector: records}


class Raw(Action, frozen=True, tag="raw"):
    body: str
    content_type: str = "application/json"
    status: int = 200

    def answer(self, answer: Answer) -> Answer:
        return of_body(self.status, self.body.encode(), self.content_type)


class Redirect(Action, frozen=True, tag="redirect"):
    location: str
    status: int = 302

    def answer(self, answer: Answer) -> Answer:
        return of_body(self.status, b"", "text/plain").with_headers({"location": self.location})


class RepeatFirstPage(Action, frozen=True, tag="repeat_first_page"):
    def ask(self, call: Call) -> Call:
        return msgspec.structs.replace(call, query={**call.query, "page": "1"})


class Paginate100(Action, frozen=True, tag="paginate_100"):
    def ask(self, call: Call) -> Call:
        return msgspec.structs.replace(call, hidden_pages=True)


AnyAction: TypeAlias = (
    Status
    | Reset
    | Cut
    | Truncate
    | Html
    | Slow
    | SpendBudget
    | Delete
    | Arrive
    | Meta
    | Inject
    | Duplicate
    | ReplaceRecord
    | Raw
    | Redirect
    | RepeatFirstPage
    | Paginate100
)
