"""Which subjects a text is about: precision first."""

import re
from pathlib import Path

import pytest

from consumers.classifier.subjects import (
    MAX_WATCHED_TAGS,
    Symbols,
    matched_tags,
    parse_symbols,
    read_symbols,
    recognise,
    shipped_symbols,
    subjects_of,
)
from contracts.errors import Unusable
from contracts.subjects import is_ticker
from tests.bench.recognition import PARTS, measure, read_sample

SYMBOLS = shipped_symbols()
TEXT_WORDS = ["there", "is", "nothing", "much", "for", "us", "to", "see"]
HEADER = "ticker,exchange,name,aliases,weak_aliases,cues,never_with"

CASES = {
    "Apple unveils new iPad": "AAPL",
    "Apple’s earnings beat": "AAPL",
    "Apple pie recipes: stock up now": "",
    "apple shares in my lunch box": "",
    "American apple growers see revenue fall": "",
    "Apple prices rise after frost hits orchards": "",
    "Big Apple tech companies": "",
    "Apple Hospitality REIT declares dividend": "APLE",
    "Meta's new headset": "META",
    "Meta analysis of drug trials": "",
    "META": "",
    "ALL eyes on IT stocks NOW": "",
    "Gartner (NYSE: IT) up": "IT",
    "Buy $ALL and $AAPL now": "AAPL ALL",
    "The reward is $ZZZQ": "",
    "Tiny firm (NASDAQ: ZZZQ) soars": "ZZZQ",
    "What hedge funds think of Evolution Petroleum Corporation (EPM)": "EPM",
    "ReNeuron Group plc (RNUGF) on its results": "RNUGF",
    "Apple Inc (AAPL.O) and Berkshire Hathaway Inc. (BRK.B)": "AAPL BRK.B",
    "Acme Inc. (USA) and Acme Ltd (UK) merge": "",
    "The limited partnership (LP) and its company (CO)": "",
    "Nasdaq: Tech stocks slide as yields climb": "",
    "NYSE: STOCKS CLOSE MIXED": "",
    "NYSE: A CLOSER LOOK": "",
    "Nasdaq : tech down, nyse: the exchange": "",
    "Amazon.com, nasdaq: AMZN, and (nyse: ZZZQ)": "AMZN ZZZQ",
    "Listed as NYSE:TGT and (NASDAQ: ZZZQ, OTC: ZZZF)": "TGT ZZZF ZZZQ",
    "The Federal Deposit Insurance Corporation (FDIC) said": "",
    "Oil and Natural Gas Corp. (ONGC), British Broadcasting Corporation (BBC)": "",
    "Bharat Petroleum Corporation Limited (BPCL)": "",
    "Taiwan Semiconductor Manufacturing Company Limited (TSMC) reports record profit": "TSM",
    "Taiwan Semiconductor Manufacturing Co. Ltd. (TSMC) plans": "TSM",
    "Industrial and Commercial Bank of China Limited (ICBC) profit falls": "",
    "National Stock Exchange of India Ltd (NSE) fined": "",
    "Shares of NVIDIA Corporation (NASDAQ: NV…": "NVDA",
    "Apple Inc. (NASDAQ: AA...": "AAPL",
    "Class B shares (NYSE: BRK.B…": "",
    "A bill on oil reserves $SPY…": "SPY",
    "United Natural Foods Inc (UNFI)": "UNFI",
    "Hackers Target Microsoft Shares": "MSFT",
    "Target shares jump": "TGT",
    "Price target raised for the stock": "",
    "Ford recalls trucks": "F",
    "Harrison Ford stock photo": "",
    "Intel's new fabs": "INTC",
    "Intel report says Russia": "",
    "Amazon rainforest companies face fines": "",
    "Amazon warehouse workers vote": "AMZN",
    "Delta variant worries investors": "",
    "Delta adds flights": "DAL",
    "McDonald’s and Lowe’s": "LOW MCD",
    "AT&T, T-Mobile and Coca-Cola": "KO T TMUS",
    "Johnson & Johnson's vaccine": "JNJ",
    "General Electric and General Motors": "GE GM",
    "Times Square lights up": "",
    "Microsoft-backed startup": "MSFT",
    "$$AAPL$ nonsense A$AP Rocky": "",
    "": "",
}


@pytest.mark.parametrize("text", CASES)
def test_recognition(text: str) -> None:
    assert sorted(recognise(text, SYMBOLS)) == CASES[text].split()


def test_a_cashtag_counts_when_somebody_watches_it() -> None:
    assert recognise("Long $ZZZQ", SYMBOLS, {"ZZZQ"}) == {"ZZZQ"}


def test_what_looks_like_a_ticker_counts_when_somebody_watches_it() -> None:
    assert recognise("NYSE: ZZZQ falls", SYMBOLS) == set()
    assert recognise("NYSE: ZZZQ falls", SYMBOLS, {"ZZZQ"}) == {"ZZZQ"}
    assert recognise("Blue Owl Capital Corporation (BOCC)", SYMBOLS, {"BOCC"}) == {"BOCC"}


def test_a_tag_matches_when_all_its_words_occur() -> None:
    text = "AI: Brussels wants regulation"
    assert matched_tags(text, ["ai-regulation", "ai", "regulation-brussels", "ai-regulations", "said"]) == [
        "ai-regulation",
        "ai",
        "regulation-brussels",
    ]
    assert matched_tags("They said it", ["ai"]) == []
    assert matched_tags("E-Mail öffnen", ["e-mail"]) == ["e-mail"]
    assert matched_tags("New York Wants A.I. Regulation", ["ai-regulation", "us"]) == ["ai-regulation"]
    assert matched_tags("The U.S. economy, Nestlé and São Paulo", ["us-economy", "nestle", "sao-paulo"]) == [
        "us-economy", "nestle", "sao-paulo",
    ]  # fmt: skip
    assert matched_tags("AI chips are sold", ["ai--chips", "-ai---chips-"]) == ["ai--chips", "-ai---chips-"]


def test_of_watched_tags_the_first_that_match_count_and_an_articles_own_always() -> None:
    watched = [f"tag:{word}-{other}" for word in TEXT_WORDS for other in TEXT_WORDS]
    found = subjects_of("file", (), ("see", "gone"), " ".join(TEXT_WORDS), ["tag:absent", *watched], SYMBOLS)
    assert set(found) == {"tag:see", *watched[:MAX_WATCHED_TAGS]}


@pytest.mark.parametrize(
    ("text", "ticker"),
    [
        ("Visa's H-1B rules: companies fear delays", "V"),
        ("Visa-free travel: Visa says yes", "V"),
        ("Meta-analysis: Meta's drug trial companies", "META"),
        ("At arm's length: Arm's companies", "ARM"),
    ],
)
def test_words_with_hyphens_and_apostrophes_exclude_too(text: str, ticker: str) -> None:
    assert ticker not in recognise(text, SYMBOLS)


def test_cues_are_kept_as_texts_are_read() -> None:
    row = "F,NYSE,Ford,,Ford,F-150|Dealer's lot,harrison"
    symbols = parse_symbols([HEADER, row])
    assert symbols.cues["F"] == ("f 150", "dealer lot")
    assert recognise("Ford adds a shift for the F-150", symbols) == {"F"}


def test_a_noisy_sources_tickers_must_be_in_the_table() -> None:
    text = "Nothing to see"
    assert subjects_of("tiingo", ("AAPL", "NE-WS"), (), text, frozenset(), SYMBOLS) == ("AAPL",)
    assert subjects_of("tiingo-2", ("AAPL", "NE-WS"), (), text, frozenset(), SYMBOLS) == ("AAPL",)
    assert subjects_of("file", ("AAPL", "NE-WS"), (), text, frozenset(), SYMBOLS) == ("AAPL", "NE-WS")


def test_the_table_is_well_formed() -> None:
    assert len(SYMBOLS.tickers) > 400
    assert all(is_ticker(ticker) for ticker in SYMBOLS.tickers)


@pytest.mark.parametrize("row", ["aapl,NASDAQ,x,,,,", "A#B,NYSE,x,,,,", "OK,NYSE,x", "OK,NYSE,x,,,,,more"])
def test_a_bad_table_is_refused_with_its_line(row: str) -> None:
    with pytest.raises(Unusable, match="line 2"):
        parse_symbols([HEADER, row])


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (["ticker,name", "AAPL,Apple"], "line 1: no column aliases, weak_aliases, cues, never_with"),
        ([], "line 1: no column ticker"),
        ([HEADER, "AAPL,NASDAQ,Apple,Apple Inc|!!!,,,"], "line 2: the alias '!!!'"),
        ([HEADER, "AAPL,NASDAQ,Apple,,? ,,"], "line 2: the alias"),
        ([HEADER, "AAPL,NASDAQ,x,,,,", f"MSFT,NASDAQ,{'x' * 200_000},,,,"], "line 3: field larger"),
    ],
)
def test_a_damaged_table_is_refused_with_its_line(lines: list[str], fault: str) -> None:
    with pytest.raises(Unusable, match=re.escape(f"symbol table, {fault}")):
        parse_symbols(lines)


def test_a_table_that_a_spreadsheet_saved_is_read(tmp_path: Path) -> None:
    file = tmp_path / "symbols.csv"
    file.write_text(f"{HEADER}\nZZZQ,NYSE,Zig,Zig Inc,,,\n", encoding="utf-8-sig")
    assert read_symbols(file).tickers == {"ZZZQ"}


@pytest.mark.parametrize("source", ["tiingo", "alphavantage"])
def test_a_share_class_is_one_subject_however_it_is_written(source: str) -> None:
    for ticker in ("BRK-B", "BRK.B"):
        assert subjects_of(source, (ticker,), (), "Buffett sells", frozenset(), SYMBOLS) == ("BRK.B",)
        for text in (f"A stake (NYSE: {ticker})", f"A stake ${ticker}", f"Berkshire Hathaway Inc ({ticker}) sells"):
            assert recognise(text, SYMBOLS) == {"BRK.B"}, text
    assert subjects_of("file", ("NE-WS",), (), "Nothing", frozenset(), SYMBOLS) == ("NE-WS",)


@pytest.mark.parametrize(
    ("text", "tickers"),
    [
        ("Apple and Qualcomm drop litigation", "AAPL QCOM"),
        ("Apple (AAPL) in talks about cars", "AAPL"),
        ("Apple pie at Walmart", "WMT"),
        ("Target is a word here, says Microsoft", "MSFT"),
        ("UBS upgrades Hasbro", "HAS"),
        ("Hasbro cut to hold at UBS, target lowered", "HAS"),
        ("UBS cuts jobs in London", "UBS"),
        ("Goldman Sachs resumes coverage of Tesla", "TSLA"),
        ("JPMorgan resumes its buyback", "JPM"),
        ("UBS resumes share buy-back", "UBS"),
        ("Citigroup starts to sell Banamex stake", "C"),
        ("HSBC resumes buybacks as credit rating affirmed", "HSBC"),
        ("Bank of America starts carbon neutral plan", "BAC"),
        ("Jobs cut at BlackRock as it misses profit target", "BLK"),
        ("Wells Fargo starts Tesla at equal-weight", "TSLA"),
        ("Morgan Stanley starts Tesla at overweight", "TSLA"),
        ("Barclays resumes Intel at equal-weight", "INTC"),
        ("Truist upgrades Tesla to buy", "TSLA"),
        ("Nvidia: Schwab analyst sees upside", "NVDA"),
        ("Apple stock upgraded by Northern Trust", "AAPL"),
        ("Apple price target trimmed at Deutsche Bank", "AAPL"),
        ("Tesla starts production at Berlin factory", "TSLA"),
        ("Boeing resumes 737 MAX deliveries", "BA"),
        ("Disney reinstates dividend after three-year pause", "DIS"),
        ("Sales at Walmart beat target for the quarter", "WMT"),
        ("A positive for Apple, analyst says", "AAPL"),
        ("Are all the top 10 Warren Buffett stocks worth a buy?", ""),
    ],
)
def test_another_company_is_context_and_a_rating_is_no_subject(text: str, tickers: str) -> None:
    assert sorted(recognise(text, SYMBOLS)) == tickers.split()


@pytest.mark.parametrize("part", PARTS)
def test_precision_and_recall_on_labelled_headlines(part: str) -> None:
    """`python -m tests.bench.recognition` prints them."""
    measured = measure(read_sample(part))
    assert measured.headlines >= 165
    assert measured.precision >= 0.95
    assert measured.recall_in_table >= 0.85


def test_canary_a_recogniser_that_takes_a_word_for_a_name_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(text: str, symbols: Symbols) -> set[str]:
        return {alias.ticker for word in text.split() for alias in symbols.by_first_word.get(word.title(), ())}

    monkeypatch.setattr("tests.bench.recognition.recognise", careless)
    assert all(measure(read_sample(part)).precision < 0.95 for part in PARTS)
