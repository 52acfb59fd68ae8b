"""The words of the made sentences: how companies everywhere announce figures, orders, plans and trouble.

Written from general knowledge of results announcements and market reports; no evaluation set was read for it.
A slot in braces is filled by made.py.
"""

# ruff: noqa: SIM905 (a line of words is easier to read and to extend than a list of literals)

from __future__ import annotations

STEMS = (
    "Alder Arbor Aster Baltic Beacon Birch Boreal Bright Cedar Cobalt Copper Coral Crown Delta Dover Echo Ember "
    "Falcon Fjord Flint Garnet Glen Granite Harbor Haven Helix Indigo Ivory Juno Kestrel Lark Lumen Maple Marlin "
    "Meridian Nimbus Nova Oak Onyx Orchid Orion Pallas Pine Polar Quartz Raven Ridge Rowan Sable Saga Sierra Silver "
    "Solar Sterling Summit Tern Terra Titan Umber Vantage Vega Verdant Vesper Willow Zephyr"
).split()
TAILS = "bank chem dyne gen line med net plex soft steel tech tel tron ware works".split()
FORMS = (
    " Inc| Corp| Ltd| plc| AG| SA| AB| Oyj| SpA| NV| ASA| Co| Group| Holdings| Industries| Energy| Motors| Pharma"
    "| Foods| Bank| Systems| Retail| Airlines| Logistics| Mining| Paper| Shipping| Therapeutics| Financial||||||||"
).split("|")
PLACES = (
    "London Frankfurt Mumbai Tokyo Paris Oslo Milan Warsaw Madrid Sydney Toronto Chicago Texas Shanghai Seoul Dublin "
    "Singapore Brazil India Poland Sweden Spain Canada Germany Japan Mexico Vietnam Kenya California Ohio Taiwan"
).split()
MONTHS = ("January", "March", "April", "May", "July", "August", "October", "November")
PEOPLE = "Maria Lind|James Okoro|Anna Kowalska|Ravi Menon|Tom Hale|Li Wei|Eva Braun|Carla Rossi|Joan Pierce".split("|")
PRODUCTS = (
    "wind turbines|mobile phones|packaging board|software licences|crane systems|lifts|medical devices|power cables|"
    "electric buses|paper machines|network equipment|ready meals|steel pipes|fertiliser|semiconductors|ships|"
    "cloud services|elevators|tyres|insulin pumps|aircraft parts|drilling rigs|beer|shoes|dairy products"
).split("|")
CUSTOMERS = (
    "the Polish army|a Brazilian utility|the city of Oslo|a leading European operator|a Chinese shipyard|"
    "a US retailer|the national railway|an unnamed carmaker|a German bank|the Indian government|"
    "a large hospital chain|Samsung|Shell"
).split("|")
PERIODS = (
    "in the first quarter|in the second quarter|in the third quarter|in the fourth quarter|in the first half|in 2018|"
    "in the nine months to September|for the full year|in the January-March period|in July-September|in fiscal 2021|"
    "in the quarter|in Q1|in Q2|in Q3|in Q4|for the financial year|last year|in the period|in October-December|in May"
).split("|")
BASES = (
    "a year earlier|a year ago|in the same period last year|in the corresponding period|the previous year|last year|"
    "in the year-ago quarter|in the comparison period|in the prior quarter|in 2017|in the same quarter of 2019"
).split("|")
CURRENCIES = "EUR|USD|$|€|£|Rs |SEK|GBP|¥|INR |CHF|NOK|Rs."
SCALES = " million| mn|m| billion| bn|bn| crore| cr|M|B| mln|mn"
REASONS = (
    "on strong demand|on higher volumes|helped by cost savings|on weak demand|on higher raw material costs|"
    "due to one-off items|because of currency effects|as sales volumes changed|on lower prices|amid the pandemic|"
    "mainly due to acquisitions|driven by its services unit|as costs changed"
).split("|")

GOOD_MONEY = (
    "net profit|operating profit|profit|pretax profit|profit before tax|pre-tax profit|EBIT|EBITDA|net sales|sales|"
    "revenue|turnover|net income|earnings|operating income|cash flow from operations|order intake|order book|"
    "order backlog|new orders|net interest income|comparable sales|gross profit|consolidated net profit|"
    "standalone profit|PAT|profit for the period|free cash flow|fee income|service revenue|export revenue|"
    "adjusted earnings"
).split("|")
GOOD_SHARE = (
    "market share|operating margin|gross margin|return on equity|the equity ratio|the load factor|occupancy|"
    "capacity utilisation|EBITDA margin|customer satisfaction"
).split("|")
GOOD_COUNT = (
    "passenger traffic|subscribers|deliveries|vehicle sales|production|output|cargo volumes|shipments|bookings|"
    "store visits|exports|active users|loan growth|deposits|assets under management|handset sales|"
    "cement dispatches|footfall"
).split("|")
GOOD_EACH = "earnings per share|EPS|diluted EPS|adjusted EPS|dividend|profit per share".split("|")
BAD_MONEY = (
    "net loss|operating loss|loss|pretax loss|pre-tax loss|loss before tax|quarterly loss|loss per share|loan losses|"
    "credit losses|impairments|net debt|restructuring costs|write-downs|provisions for bad loans|cash burn|EBITDA loss"
).split("|")
BAD_COUNT = (
    "bad loans|non-performing loans|customer complaints|defaults|customer churn|unit costs|fuel costs|operating costs|"
    "accidents|warranty claims|insolvencies|delinquencies|cancellations|unsold inventory|interest costs"
).split("|")
UP = "rose|increased|grew|climbed|went up|improved|was up|advanced|jumped|surged|soared|edged up|strengthened".split(
    "|"
)
UP_NOW = "rises|up|jumps|climbs|grows|surges|zooms|increases|soars|gains|improves".split("|")
DOWN = (
    "fell|decreased|declined|dropped|went down|was down|slipped|slid|plunged|tumbled|shrank|contracted|sank|weakened|"
    "deteriorated|halved|edged down"
).split("|")
DOWN_NOW = "falls|down|drops|declines|slips|plunges|dips|shrinks|slumps|tumbles|sinks|decreases".split("|")
NARROWED = (
    "narrowed|shrank|was cut|contracted|diminished|decreased|fell|was reduced|declined|was trimmed|halved|shrunk"
).split("|")
WIDENED = "widened|grew|deepened|increased|rose|ballooned|expanded|mounted|more than doubled|swelled".split("|")

POSITIVE = """
{co} has won an order worth {amount} for {product} from {customer}
{co} wins {amount} order for {product}
{co} bags order worth {amount} from {customer}
{customer} has ordered {product} from {co}; the order is worth about {amount}
{co} has signed a contract to deliver {product} to {customer}
{co} said it has been chosen as the supplier of {product} to {customer}
{co} receives a repeat order for {product} from {customer}
{co} and {customer} have extended their agreement on {product} by three years
{co} secured a {amount} contract in {place}
{co} will expand its plant in {place} to meet growing demand for {product}
{co} doubles the capacity of its {place} factory as demand grows
{co} is opening new stores in {place} and will hire {count} people
{co} to recruit {count} new employees this year to support growth
The investment will increase the efficiency of production and lower costs, {co} said
The acquisition strengthens our position in {place}, said {person}, chief executive of {co}
The deal is expected to add to earnings from the first year
{co} said the purchase would improve its competitiveness and bring annual savings of {amount}
The new {product} help customers save energy and reduce costs
With the new system, {co} can serve its customers faster and better
{co} has strengthened its market position in {place}
We are very pleased with the result, said {person} of {co}
{person}, chief executive of {co}, said demand for {product} remained strong
{co} raises its full-year profit forecast
{co} lifts guidance after strong {period_word}
{co} now expects {metric} to exceed last year's level
{co} expects {metric} to grow clearly {period}
{co} sees {metric} improving in the second half
{co} estimates that its {metric} will increase by {pct}
{co} beats estimates, raises outlook
{co} {metric} tops analysts' expectations
{co} reported {metric} of {amount}, beating the consensus of {less}
{co} {metric} came in better than expected
{co} proposes a higher dividend and a share buyback
{co} raises dividend by {pct}
{co} hikes payout after record year
{co} board approves {amount} share repurchase programme
{co} shares rise {pct} to record high
{co} shares jumped {pct} after the announcement
{co} stock closes up {pct}
{co} rallies as results please investors
{co} soars on takeover bid from {co2}
{ticker} +{pct} after beat and raise
{ticker} - {co} upgraded to buy from hold
{co} upgraded to overweight by {co2}
{co2} raises price target on {co} to {price} from {lower_price}
{co2} starts {co} at buy
Buy {co}, target {price}: {person}
{co} can rally to {price}: {person}
{person} bullish on {co}, expects more upside
{co} wins regulatory approval for {product}
Regulators clear {co} deal to buy {co2}
Court rules in favour of {co} in patent dispute
{co} avoids default after lenders agree to new terms
{co} repays {amount} of debt ahead of schedule
{co} gets rating upgrade on lower debt
Rating agency lifts outlook on {co} to positive
{co} returns to profit after two years of losses
{co} swings back to profit {period}
{co} swung to a profit of {amount} from a loss of {other}
{co} posts {metric} of {amount} vs loss of {other}
{metric_cap} of {amount} compared with a loss of {other} {base}
{co} turns around: profit of {amount} against a loss of {other} {base}
The result was the best in the company's history
{co} reported record {metric} {period}
{co} posts highest ever quarterly {metric}
{co} losses less than feared
The decline was smaller than expected
{co} {metric} falls less than feared
Things are less bad than a year ago at {co}
{co} no longer expects to make a loss this year
{co} does not need to raise new capital after all
The strike at {co} has ended and production is back to normal
{co} resolves dispute with {co2}, lawsuit dropped
{co} recalls nobody: inquiry finds no defect, shares rise
Loans and deposits grew faster than the market at {co}
{place} stocks end higher, led by banks
{place} shares gain for a third day as trade hopes rise
Gold rises to a six-month high on safe-haven demand
Oil jumps {pct} on supply cuts
Rupee strengthens against the dollar
Exports from {place} rise more than forecast
{place} economy grows faster than expected
Unemployment in {place} falls to lowest in a decade
{co} to the moon, huge breakout, best quarter ever!
{co} could become a multibagger
{co} cost-cutting programme ahead of plan, annual savings of {amount}
{co} has cut its energy use and emissions while output grew
{co} strike called off as union accepts offer
Demand for {product} has picked up, says {co}
{co} market share in {place} increased to {pct}
{co} successfully completes {amount} share sale, strong demand from investors
{co} gained new customers in {place} {period}
{co} and {co2} to cooperate to speed up sales of {product} in {place}
{co} awarded as best supplier of {product} by {customer}
""".strip().splitlines()

NEGATIVE = """
{co} warns that profit will be lower
{co} cuts its full-year outlook
{co} lowers guidance, citing weak demand for {product}
{co} withdraws its forecast
{co} expects {metric} to fall {period}
{co} expects {metric} to be clearly below last year's level
{co} sees weaker {metric} in the second half
{co} misses estimates on weak sales of {product}
{co} {metric} falls short of expectations
{co} reported {metric} of {amount}, missing the consensus of {more}
{co} {metric} came in worse than expected
{co} did not meet its targets {period}
{co} failed to win the contract from {customer}
{co} loses {amount} order to {co2}
{customer} cancels order for {product} from {co}
{co} to cut {count} jobs
{co} will lay off {count} people in {place}
{co} begins talks with employees on temporary layoffs and job cuts
{co} to reduce its workforce by {pct} due to poor demand
{co} closes its plant in {place}; {count} employees lose their jobs
{co} shuts down unprofitable unit in {place}
{co} cuts dividend
{co} scraps dividend to save cash
{co} will not pay a dividend for the year
{co} proposes that no dividend be paid
{co} shares fall {pct}
{co} shares fell {pct} to a five-year low
{co} stock plunges after results
{co} slides as investors sell
{ticker} -{pct} after guidance cut
{ticker} - {co} cut to sell at {co2}
{co} downgraded to underperform by {co2}
{co2} cuts price target on {co} to {lower_price} from {price}
Sell {co}, target {lower_price}: {person}
{co} may slip to {lower_price}: {person}
Avoid {co}, says {person}
{co} files for bankruptcy protection
{co} defaults on loan payment
{co} fined {amount} by regulator
{co} faces lawsuit over {product}
{co} sued by investors for misleading statements
Police raid offices of {co} in tax probe
{co} recalls {product} over safety fault
{co} fire halts production at {place} plant
Strike stops production at {co}
{co} chief executive resigns amid accounting scandal
{co} auditor quits, shares suspended
{co} rating cut to junk on rising debt
Rating agency puts {co} on review for downgrade
{co} swings into loss {period}
{co} swung to a loss of {amount} from a profit of {other}
{co} posts loss of {amount} vs profit of {other}
Loss of {amount} compared with a profit of {other} {base}
{co} slipped to a loss of {amount} {period} against a profit of {other} {base}
{co} made a loss {period}
{co} recorded an impairment of {amount}
{co} writes down {amount} on its {place} business
{co} warns of higher costs and lower margins
Rising raw material prices weigh on {co}
The weak market hurt {metric} at {co}
The result was not as strong as hoped
{co} growth slower than expected
{co} delays launch of {product} after failed tests
{co} drug fails in late-stage trial
Regulator rejects {co} application for {product}
{co} warns it may not be able to continue as a going concern
{co} breaches loan terms, in talks with lenders
{co} hit by data breach, customers affected
{co} loses market share in {place} to {co2}
Demand for {product} has weakened, says {co}
Prices of {product} continue to fall, hurting {co}
{place} stocks end lower on growth worries
{place} shares slump as investors flee risk
Oil falls {pct} on demand fears
Gold slips as dollar firms
Rupee hits record low against the dollar
Exports from {place} fall more than forecast
{place} economy shrinks, fears of recession grow
Unemployment in {place} rises sharply
{co} short seller report alleges fraud
{co} collapse leaves creditors with nothing
{co} is dead money, stay away
{co} loses key customer {customer}
{co} earnings fell although sales grew
{co} sales rose, but profit sank on soaring costs
{co} revenue grew, yet the loss more than doubled
{co} cost-saving programme has failed to stop losses, says {person}
Uncertainty about demand continues and visibility is poor, said {person} of {co}
{co} to stop making {product} because of poor profitability
{co} antitrust probe widens
{co} customers delay orders, deliveries postponed
Supply problems at {co} get worse
""".strip().splitlines()

NEUTRAL = """
{co} will publish its results for the period on {date}
{co} to report results on {date}
{co} {period_word} report will be released on {date}
{co} will hold its annual general meeting on {date} in {place}
The annual general meeting of {co} elected {person} as chairman of the board
{co} appoints {person} as chief financial officer
{co} names {person} head of its {place} unit
{person} has been appointed member of the board of {co}
{person} will start in the post on {date}
{co} is headquartered in {place} and employs {count} people
{co}, founded in 1952, makes {product}
{co} has operations in {count_small} countries and about {count} employees
{co} is a supplier of {product} listed in {place}
{co} had net sales of {amount} {period} and employs {count} people
The company's annual sales are around {amount}
{co} generates about {pct} of its sales in {place}
{co} has agreed to buy {co2}
{co} acquires {co2} for {amount}
{co} sells its {product} business to {co2}
No price was given for the deal
The parties have agreed not to disclose the purchase price
The transaction is expected to close on {date}
The deal is subject to approval by the authorities
The total value of the project is {amount}
The shares were acquired at an average price of {price}
{co} has {count} shares outstanding
The new shares will be entered in the trade register on {date}
The subscription price of the new shares is {price} per share
{co} received a notification that {co2}'s holding is now {pct}
{co2} holds {pct} of the shares and votes in {co}
{co} issues {amount} bond
{co} raises {amount} via NCDs
{co} board to meet on {date} to consider fund raising
{co} fixes record date for dividend
{co} declares dividend of {price} per share
{co} declares quarterly dividend in line with last quarter
{co} fixes {date} as the date of the stock split
{co} keeps its outlook unchanged
{co} reiterates full-year guidance
{co} repeats its forecast that {metric} will be at last year's level
{co} {metric} in line with expectations
{co} maintained at hold by {co2}
{co2} starts {co} at neutral
{co2} keeps {co} target at {price}
{ticker} - {co} to present at {place} conference
{co} to webcast its capital markets day
{co} launches new {product}
{co} unveils {product} in {place}
{co} moves its head office to {place}
{co} changes its name to {co2}
The order will be delivered in {count_small} phases by {date}
Deliveries are scheduled to begin on {date}
The contract covers the design and installation of {product}
The factory in {place} makes {product}
The building has a floor area of {count} square metres
The project will start {period} and take two years
The service will be available in {place} from {date}
The plant is located about 20 kilometres from {place}
The agreement also includes maintenance of {product}
Financial details were not given
{co} is part of the {co2} group
{person} has worked for {co} since 2003
{co} has two business areas: {product} and services
{co} shares are quoted on the {place} exchange
{co} shares were unchanged at {price}
{co} stock is little changed ahead of results
{place} stocks flat as investors await data
{place} shares trade in a narrow range
Gold steady ahead of central bank meeting
Dollar little changed
Is {co} a buy?
Is {co} stock overvalued or undervalued?
Should you buy {co} ahead of results?
Does {co} have to cut its payout?
Will {co} profit fall again?
Can {co} grow {metric} {period}?
What to expect from {co} results
What is behind the talk about {co}?
Where does {co} go from here?
Earnings preview: {co}
Stocks to watch: {co}, {co2}
{co} earnings call transcript
{co} denies report of merger talks with {co2}
{co} is not in talks with {co2}
{co} declined to comment
{co} said it was not aware of any reason for the movement
{co} to discuss strategy with unions
{co} and {co2} to set up joint venture in {place}
{co} considers options for its {place} unit
{co} said to explore sale of {product} unit
{co} plans to build a plant in {place}
{co} files annual report
{co} makes no changes to its board
{co} completes the sale of its {place} unit to {co2}
{person} sells {count} shares of {co}
{co} insiders bought and sold shares {period}
The stock exchange has approved the listing of {co} shares
{co} will move to the mid-cap list on {date}
{co} uses {product} in its stores
For more information, please contact {person}, investor relations at {co}
{co} mixed: profit up, orders down
{metric_cap} was {amount} {period}
{co} {metric} at {amount} {period}
{co} {metric} was unchanged at {amount} {period}
{metric_cap} was almost flat at {amount} {period}, from {same} {base}
{metric_cap} remained at the same level as {base}
{metric_cap} includes an item of {amount}
{co} expects {metric} of {amount} to {more} {period}
{co} sees {period_word} {metric} at {amount}
""".strip().splitlines()
