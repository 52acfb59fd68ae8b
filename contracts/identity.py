"""Identity of articles and series: canonical URLs, the ids made from them, one name a series (design section 4)."""

import hashlib
import re
import unicodedata
from itertools import takewhile
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from contracts.resolution import MINUTE_MS

#: Query parameters that say how a reader came to a page, never which page it is.
_TRACKING: Final = re.compile(
    r"(utm_.*|fbclid|gclid|gclsrc|dclid|msclkid|yclid|mc_cid|mc_eid|igshid|cmpid|cmp|ncid|ocid|sr_share|"
    r"guccounter|guce_referrer.*|_ga|_gl|wt_mc|ftag|taid|spm|smid|partner|ref|ref_src|ref_url|rss|mod|tsrc|"
    r"__twitter_impression|amp)\Z",
    re.IGNORECASE,
)
#: Formatting that is not seen: it joins, hides or directs the characters around it.
_UNSEEN: Final = re.compile(
    r"[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb]"
)
_LETTERS: Final = re.compile(r"[^\W_]+")
_GAP: Final = re.compile(r"[\W_]+")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_SHARE_CLASS: Final = re.compile(r"\A([A-Z][A-Z0-9]*)-(P?[A-Z])\Z", re.ASCII)
_WEB: Final = re.compile(r"\s*https?://[^\s/]", re.IGNORECASE)
#: Any other address, `/news/1` or `urn:x:1`, which `N/A` and `n.a.` are not.
_ADDRESS: Final = re.compile(r"(?!\s*n[/.]a\.?\s*\Z).*[/:.]\w", re.IGNORECASE | re.DOTALL)


def canonical_url(url: str) -> str:
    """The URL by which a page is known: lower-case scheme and host, no fragment, default port or tracking
    parameters, sorted query. Text that is not an absolute http(s) URL comes back stripped, unchanged."""
    # A lone surrogate is no text; bytes of a query that are no UTF-8 stay what they are, told apart from others.
    text = url.strip().encode("utf-8", "backslashreplace").decode()
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return text
    scheme = parts.scheme.lower()
    if scheme not in _DEFAULT_PORTS or not parts.hostname:
        return text
    host = parts.hostname.rstrip(".")
    if ":" in host:
        host = f"[{host}]"
    netloc = host if port in (None, _DEFAULT_PORTS[scheme]) else f"{host}:{port}"
    pairs = parse_qsl(parts.query, keep_blank_values=True, errors="surrogateescape")
    query = urlencode(sorted((k, v) for k, v in pairs if not _TRACKING.match(k)), errors="surrogateescape")
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    return urlunsplit((scheme, netloc, path, query, ""))


def is_web(address: str) -> bool:
    """Whether a text begins as an absolute http(s) URL does."""
    return _WEB.match(address) is not None


def article_id(source: str, url: str | None, title: str, published_ms: int) -> str:
    """`source#` + first 16 hex of SHA-256 over the canonical URL; over another address + title + published minute;
    without one, or with what only stands for none (`N/A`, `-`, `nan`), over title + published minute."""
    text = f"{title.strip()}\n{published_ms // MINUTE_MS}"
    if url and is_web(url):
        text = canonical_url(url)
    elif url and _ADDRESS.match(url):
        text = f"{url.strip()}\n{text}"
    return f"{source}#{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def series_of(subject: str) -> str:
    """A subject under the name of its series: `BRK-B` and `BRK.B` are one share, which some write so, others so."""
    return _SHARE_CLASS.sub(r"\1.\2", subject) if "-" in subject else subject


def event_id(article: str, subject: str) -> str:
    """One event per (article, subject)."""
    return f"{article}@{subject}"


def normalised_headline(title: str) -> str:
    """The headline as stories are compared by: NFKC, case-folded, letters with their marks and digits only, single
    spaces; without what is never seen, as soft hyphens and zero-width spaces."""
    folded = unicodedata.normalize("NFKC", _UNSEEN.sub("", title)).casefold()
    if folded.isascii():
        return " ".join(_LETTERS.findall(folded))
    # Folding may leave marks in another order than the one they are compared in.
    return " ".join(_GAP.sub(_marks_of, unicodedata.normalize("NFKC", folded)).split())


def _marks_of(gap: re.Match[str]) -> str:
    """Between letters: the marks of the letter before (vowel signs, say), and a space when anything else follows."""
    text = gap[0]
    marks = "".join(takewhile(_is_mark, text)) if gap.start() else ""
    return marks if len(marks) == len(text) else f"{marks} "


def _is_mark(character: str) -> bool:
    return unicodedata.category(character) in ("Mn", "Mc")
