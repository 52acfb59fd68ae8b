"""Going through the pages of an answer that begins with the newest, over as many polls as it takes.

While a walk goes on, `since_ms` stays where the last finished walk ended, so nothing between the two is missed; what
arrives meanwhile pushes rows to later pages, which repeats some and skips none. Cursor: `since_ms`, and of a walk that
is not finished `question`, `page`, `asked_ms` (what its pages were asked from), the `newest_ms` it saw and `began_ms`;
`refused`: how often in turn that page was, when it was.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from contracts.events import RawArticle
from contracts.resolution import HOUR_MS
from producers.fetch import FetchFailed, OverBudget
from producers.sources.registry import Fetched, Rejected, Request

MAX_PAGES_A_POLL: Final = 10
#: How a page after the first is refused that is not there.
NO_SUCH_PAGE: Final = frozenset({400, 404, 410, 422})
#: Sources index some articles late: so much of what was seen is asked for again.
OVERLAP_MS: Final = HOUR_MS
#: So often in turn the place where a walk goes on is refused before it is given up.
MAX_REFUSALS: Final = 5
#: How a source refuses whatever it is asked: no such key, not in its plan, too many requests.
_WHOLE_SOURCE: Final = frozenset({401, 426, 429})


def is_about_the_source(error: FetchFailed) -> bool:
    """Whether any other question would be refused as well. A source that is down is told by asking another one."""
    return isinstance(error, OverBudget) or error.status in _WHOLE_SOURCE


class Page(NamedTuple):
    """One page. `newest_ms`: the newest instant on it, in the source's own order; `last`: nothing comes after it;
    `following`: what the next one is asked for by, when that is not the next number."""

    articles: Sequence[RawArticle]
    rejected: Sequence[Rejected]
    newest_ms: int
    last: bool
    following: int | None = None


class Walk:
    """One walk, new or resumed."""

    def __init__(self, request: Request, first_ms: int) -> None:
        """`first_ms`: how far back the very first walk goes."""
        cursor = self._cursor = dict(request.cursor)
        self._question = cursor.get("question")
        self._page = int(cursor.get("page", 0))
        self._newest_ms = int(cursor.get("newest_ms", 0))
        self._cursor_ms = int(cursor.get("since_ms", request.now_ms - first_ms))
        fresh_ms = self._cursor_ms - (OVERLAP_MS if "since_ms" in cursor else 0)
        self.since_ms = int(cursor.get("asked_ms", fresh_ms))
        self._began_ms = int(cursor.get("began_ms", request.now_ms))
        #: What is older was asked for before; it is only asked again for what came to the source late.
        self.known_ms = self._cursor_ms

    def run(self, questions: Sequence[str], ask: Callable[[int, int], Page]) -> Fetched:
        """Ask question after question, page after page (`ask` gets the index of both). Raises `FetchFailed` when the
        very first answer is none; a later failure ends the round with what there is. A page that a resumed walk begins
        with is the end of its question when it is not there, or was refused too often: it would be for ever."""
        articles: dict[str, RawArticle] = {}
        rejected: list[Rejected] = []
        resumed = self._question in questions
        number = questions.index(str(self._question)) if resumed else 0
        page_number = self._page if resumed else 0
        note: str | None = None
        for asked in range(MAX_PAGES_A_POLL):
            try:
                page = ask(number, page_number)
            except FetchFailed as error:
                if asked:
                    return self._so_far(articles, rejected, questions[number], page_number, error)
                if not (number or page_number) or is_about_the_source(error):
                    raise
                is_missing = page_number > 0 and error.status in NO_SUCH_PAGE
                refused = int(self._cursor.get("refused", 0)) + 1
                if not is_missing and refused < MAX_REFUSALS:
                    return Fetched(cursor=self._cursor | {"refused": refused}, trouble=error)
                # Where the very first page is refused too, which is where the newest are, the source is down: it waits.
                page = Page((), (), 0, last=True) if is_missing else ask(0, 0)._replace(last=True)
                note = f"taken for the end of the pages: {error.detail}"
            # The newest come first: of what is told twice the first is kept.
            for article in page.articles:
                articles.setdefault(article.article_id, article)
            rejected += page.rejected
            self._newest_ms = max(self._newest_ms, page.newest_ms)
            following = page.following if page.following is not None else page_number + 1
            number, page_number = (number + 1, 0) if page.last else (number, following)
            if number == len(questions):
                # What came after the walk began was only seen of the questions asked last; and a clock of the source
                # that is ahead must not make us skip what its others publish until then.
                until_ms = min(max(self._newest_ms, self._cursor_ms), self._began_ms)
                return Fetched(tuple(articles.values()), tuple(rejected), {"since_ms": until_ms}, note=note)
        return self._so_far(articles, rejected, questions[number], page_number, None)

    def _so_far(
        self,
        articles: dict[str, RawArticle],
        rejected: list[Rejected],
        question: str,
        page_number: int,
        trouble: FetchFailed | None,
    ) -> Fetched:
        cursor: dict[str, Any] = {
            "since_ms": self._cursor_ms,
            "question": question,
            "page": page_number,
            "asked_ms": self.since_ms,
            "newest_ms": self._newest_ms,
            "began_ms": self._began_ms,
        }
        return Fetched(tuple(articles.values()), tuple(rejected), cursor, more=trouble is None, trouble=trouble)
