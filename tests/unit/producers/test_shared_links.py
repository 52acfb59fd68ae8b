"""Entries of a feed that have one link: by their guids each is an article of its own."""

import pytest

from producers.sources.rss import MAX_SHARED
from tests.fakes.web import FakeSite, Reply, page
from tests.unit.producers.test_rss import ask
from tests.unit.producers.test_service import Polling, source


def feed(*items: str) -> Reply:
    return page(f"<rss version='2.0'><channel><title>Desk</title>{''.join(items)}</channel></rss>".encode())


def note(number: int, link: str = "https://desk.example/notes", guid: str | None = "note-{}") -> str:
    told = "" if guid is None else f"<guid isPermaLink='false'>{guid.format(number)}</guid>"
    told += f"<link>{link.format(number)}</link><pubDate>Sun, 21 Dec 2025 09:{number:02d}:00 GMT</pubDate>"
    return f"<item><title>Headline {number}</title>{told}</item>"


@pytest.mark.parametrize("link", ["https://desk.example/notes", "https://desk.example/live#{}"])
def test_notes_on_one_page_all_count_and_go_on_counting(site: FakeSite, link: str) -> None:
    notes = [note(number, link) for number in range(6)]
    polling = Polling(source("desk", site.put("/feed", feed(notes[0], notes[1]), feed(notes[2]), feed(*notes))))
    published = []
    for _ in range(4):
        published.append(polling.restart().poll().published)
        polling.clock.advance(300_000)
    assert published == [2, 1, 3, 0]
    assert sorted(polling.titles) == [f"Headline {number}" for number in range(6)]


def test_a_permalink_that_differs_after_the_hash_is_an_entry_of_its_own(site: FakeSite) -> None:
    items = [note(number, "https://desk.example/live", f"https://desk.example/live#{number}") for number in range(3)]
    assert len({each.article_id for each in ask(site.put("/feed", feed(*items))).articles}) == 3


def test_an_entry_that_is_tracked_twice_is_one_article(site: FakeSite) -> None:
    items = [note(number, "https://desk.example/1", "https://desk.example/1?utm_id={}") for number in range(3)]
    assert len({each.article_id for each in ask(site.put("/feed", feed(*items))).articles}) == 1


def test_the_other_entries_of_such_a_feed_keep_their_identity(site: FakeSite) -> None:
    alone = note(9, "https://desk.example/story")
    (before,) = ask(site.put("/feed", feed(alone))).articles
    fetched = ask(site.put("/feed", feed(alone, note(1), note(2))))
    assert before.article_id in {each.article_id for each in fetched.articles}
    (again,) = ask(site.put("/feed", feed(alone)), dict(fetched.cursor)).articles
    assert again.article_id == before.article_id


def test_of_more_shared_links_than_are_remembered_every_entry_counts_once(site: FakeSite) -> None:
    pages = range(MAX_SHARED + 100)
    notes = [note(each % 60, f"https://desk.example/{each}", f"{each}-{{}}-{half}") for each in pages for half in "ab"]
    polling = Polling(source("desk", site.put("/feed", feed(*notes))))
    polling.clock.advance(3_600_000)  # the last of them is an hour ahead
    published = []
    for _ in range(3):
        published.append(polling.restart().poll().published)
        polling.clock.advance(300_000)
    assert published == [len(notes), 0, 0]


def test_a_guid_that_all_entries_have_names_none_of_them(site: FakeSite) -> None:
    """`isPermaLink="false"` and the site's own address: the feed would otherwise bring one article, ever."""
    notes = [note(number, "https://desk.example/{}", "https://desk.example/") for number in range(6)]
    polling = Polling(source("desk", site.put("/feed", feed(*notes[:3]), feed(*notes[2:]), feed(notes[5]))))
    published = []
    for _ in range(4):
        published.append(polling.restart().poll().published)
        polling.clock.advance(300_000)
    assert published == [3, 3, 0, 0]


def test_without_guids_a_link_is_one_article(site: FakeSite) -> None:
    fetched = ask(site.put("/feed", feed(note(1, guid=None), note(2, guid=None))))
    assert len({each.article_id for each in fetched.articles}) == 1
    assert "shared" not in fetched.cursor
