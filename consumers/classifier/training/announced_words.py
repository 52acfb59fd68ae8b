"""More made sentences, as patterns: what companies announce in plain language, and how its label follows.

`[one|other]` is a choice, also inside another choice; a word in braces is a slot that announced.py fills. Written
from general knowledge of announcements; no evaluation set was read for it, and the behavioural tests are not in it.
"""

# ruff: noqa: E501 (a pattern is one line, however many choices it has)

from __future__ import annotations

__all__ = ["NEGATIVE", "NEUTRAL", "POSITIVE"]

POSITIVE = """
{co} [has won|won|wins|has bagged|bags|secures|has secured|lands|clinches|has received] [a|an additional|its largest] {size} [contract|order|deal] [to supply|to deliver|for] {product} [to|from] {customer}
{co} [has been|was] [selected|chosen|picked|named|awarded a contract] [by {customer}|from among six bidders] [as supplier of|to deliver|to supply|to build] {product}
{customer} [has placed|placed|places] [an order|a repeat order|a follow-on order] [worth {amount} |valued at {amount} |]with {co} for {product}
{co} [signs|signed|has signed|inks] [a|an] [{years}-year|long-term|multi-year|framework] [contract|supply agreement|service contract] with {customer}[, worth {amount}||, the largest in its history]
{co} said [on {day} |]it [has agreed|had agreed] to [deliver|supply] {count_small} {product} to {customer}[ in a deal worth {amount}| for {amount}|]
{co} [subsidiary|unit|arm] [wins|bags|gets|receives] [letter of award|order|contract] [worth|of] {amount} [for {product}|in {place}|from {customer}]
The [order|contract|deal] is [worth|valued at] {amount} and [is the largest ever|is one of the biggest] for {co}
{co} [wins|won] [tender|bid|auction] [to build|to operate|for] {product} in {place}
{customer} [renews|renewed|extends|has extended] [its contract|its agreement|cooperation] with {co} [for {years} years|until 2027|]
{co} order [book|backlog|intake] [swells|rises|hits record|climbs] [on|after] [strong|big] [demand|orders] for {product}
{co} [is|will be] [expanding|enlarging|doubling|adding] [capacity|production] at its {place} [plant|factory|site] [to meet|because of|in response to] [growing|rising|strong] demand
{co} [is investing|invests|will invest|to invest] {amount} [in|to build] a new {product} [plant|factory|line] in {place} to [meet demand|double output|serve new customers]
{co} [to hire|plans to hire|is recruiting|will create] {count} [workers|engineers|new jobs|people] [in {place} |]as [it grows|business expands|orders increase]
{co} [opens|has opened|opened] {count_small} new [stores|branches|outlets] and [plans more|sees strong customer interest|gains customers]
{co} [expands|expanded|has expanded] [successfully |]into {place}[, winning {count_small} new customers| with strong first orders| and expects rapid growth there]
The [expansion|new plant|new line|investment] will [double|increase|raise] [capacity|output|production] [by {pct} |][and cut costs|and improve productivity|to meet customer demand]
The [deal|acquisition|merger|agreement|purchase] will [strengthen|improve|boost|widen] {co}'s [position|competitiveness|offering|presence] in [{place}|{product}|a growing market]
[With the acquisition|Through the deal|With this agreement], {co} [becomes|will be] [the largest|the leading|one of the leading] [maker|supplier|seller] of {product} in {place}
{co} [and {co2} |]expect[s|] the [merger|deal|combination] to [bring|generate|yield] [annual |][savings|synergies] of {amount}
The [acquisition|purchase|transaction] [is expected to|will] [add to earnings|be accretive|have a positive effect on the result] [from the first year|immediately|in 2022]
{co}'s [new|latest] {product} [let|allow|help] [customers|users|operators] [save energy|cut costs by {pct}|work faster|reduce emissions|reduce downtime]
The [solution|system|technology|service|product] [improves|will improve|enhances] [efficiency|safety|reliability|the customer experience|productivity] and [lowers|reduces|cuts] [costs|waste|fuel use]
{co} [chooses|picks|selects|has chosen] {co2} [system|software|platform] to [improve|speed up|streamline] its [operations|customer service|logistics]
{co} and {co2} [join forces|team up|deepen their partnership|form strategic alliance] to [speed up growth|accelerate sales|bring new products to market faster|strengthen their position]
{person} of {co} said [demand|business|trading|the order book] [has been|is|remains] [strong|good|excellent|brisk|healthy]
"[We are pleased|We are very satisfied|We are proud|I am delighted] [with|of] [our performance|the progress|this success|the result]," said {person}, [head|chief executive|president] of {co}
"[This order|This contract|The agreement] [is an important step|is a breakthrough|strengthens our position|shows the trust of our customers]," {co} [said|says]
{co} [gains|wins|takes|grabs] market share [from rivals|in {place}|from {co2}] [as its {product} sell well|]
{co} [has become|is now|becomes] [the market leader|the biggest seller|number one] in {product}[ in {place}|]
{co} [beats|tops|exceeds|surpasses|crushes] [forecasts|estimates|expectations|views|consensus] [in {quarter}|on strong {product} sales|as margins improve]
{co} {metric} [beat|topped|exceeded|was above|came in ahead of] [forecasts|estimates|expectations|market views]
{co} [{quarter} |]EPS {eps_more} [beats|tops|vs estimate of|above the consensus of] {eps_less}
{co} [reports|posted|delivered|had] [record|its best|all-time high|better-than-expected] [{quarter} |quarterly |]{metric}
{co} [lifts|hikes|upgrades|boosts] [its |][{period_word} |full-year |][forecast|guidance|outlook|targets|view]
{co} raises [its |][{period_word} forecast|annual guidance|profit targets|view for the year]
{co} [now expects|expects|forecasts|guides for] [full-year |{period_word} ]{metric} [above|well above|ahead of] [consensus|earlier forecast|last year]
{co} [is likely|is expected|is set|is seen] to [post|report] [higher|strong growth in|double-digit growth in|a sharp rise in] {metric}
[Analysts|Brokers|Experts] [see|expect] [strong|solid|robust] growth [in {metric} |][at|for] {co}
{co} {metric} [is expected|is forecast|is estimated] to [increase|grow|improve|rise] [this year|in 2022|next year|from last year's level][ thanks to new orders|]
{co} [ups|raises|lifts|hikes|increases] [its |][quarterly |annual |][dividend|payout] [by {pct}|to {price} per share|after strong year]
{co} [declares|announces|to pay] [special|extra|bonus|maiden] dividend [of {price} per share|after sale of unit|]
{co} [reinstates|resumes|restores|starts paying] dividend [after two years|as cash flow recovers|]
{co} [keeps|maintains|holds on to] its dividend [despite the downturn|although profit fell|, contrary to fears]
{co} [announces|launches|approves|begins] [{amount} |][share buyback|stock repurchase|buyback programme]
{co} [gets|wins|receives|obtains|secures] [FDA|EU|regulatory|final|marketing] [approval|clearance|nod|green light] for [its {product}|new drug|its vaccine|the merger]
[Regulator|The FDA|European Commission|Health agency] [approves|clears|backs|gives go-ahead to] {co} [drug|treatment|device|vaccine|plan]
{co} [drug|treatment|vaccine|therapy] [meets|met|achieves] [main goal|primary endpoint|all goals] in [late-stage|phase 3|key] [trial|study]
{co} [study|trial] [shows|finds|showed] [drug|vaccine|treatment] [cuts|reduces|lowers] [risk of death|symptoms|relapse] by {pct}
{co} [granted|awarded|receives] [patent|certification|quality award|innovation prize] for {product}
{co} [wins|won] [patent case|court case|appeal|arbitration] against {co2}
[Judge|Court|Tribunal|Appeals court] [dismisses|throws out|rejects|drops] [lawsuit|case|fraud charges|claims] against {co}
{co} [cleared|acquitted|exonerated] [of wrongdoing|in probe|in bribery case|of all charges]
[Regulators|Prosecutors|Authorities] [drop|close|end] [probe|investigation|inquiry] into {co} [without action|, finding no wrongdoing|]
{co} [settles|resolves|ends] [long dispute|all claims|litigation] with {co2}, [removing uncertainty|shares up|clearing the way for growth]
{co} [did not|does not|will not] [need to|have to] [cut jobs|raise fresh capital|close any plants|pay the fine|write down assets]
{co} [{metric} |sales |orders |]did not [decline|drop|decrease|shrink|weaken] [in {quarter}|as analysts had predicted|despite the recession|{period}]
{co} has [never|not once] [failed to pay interest|missed its targets|reported a loss|cut its payout|defaulted]
{co} will [not|not have to] [close its {place} plant|lay off staff|cut production|pay damages|reduce its payout]
{co} [averts|avoids|escapes|dodges] [bankruptcy|strike|default|delisting|job cuts|a loss|heavy fine]
{co} [is no longer|no longer] [losing money|burning cash|making losses|in breach of its covenants|loss-making]
[No|There will be no] [job cuts|layoffs|plant closures|share issue] at {co}, [chief says|management promises|]
{co} [rules out|denies need for|sees no need for] [rights issue|job cuts|capital raise|profit warning]
{co} [loss|shortfall|decline|drop] [was|is] [smaller|less severe|milder|not as bad|less deep] than [feared|analysts expected|forecast|a year ago]
{co} [narrows|cuts|trims|reduces|pares|shrinks] [{quarter} |quarterly |full-year |net |]loss [to {less} from {more}|as costs fall|on higher sales|]
{co} [net |operating |pretax |][loss|debt] [narrowed|shrank|was reduced|was cut|fell] to {less} [from|compared with|against] {more}[ {base}|]
{co} [decline|slump|fall] in [sales|orders|bookings] [eases|slows|bottoms out|comes to an end]
The [worst|downturn|slump|crisis] [is over|is behind us|is easing], [says {co}|said {person} of {co}|]
{co} [recovers|bounces back|rebounds|turns the corner] [after weak start|as travel resumes|from last year's slump|, back in black]
{co} [swings|swung|returns|returned|back] to [profit|black|profitability|growth] [in {quarter}|{period}|after heavy losses|]
{co} [turned|turns] a loss of {amount} into a profit of {other}
{co} [costs|expenses|fuel bill|energy costs] [fell|declined|came down|were cut] [by {pct} |][{period}|, lifting margins|thanks to efficiency measures]
{co} [efficiency|cost|savings|restructuring] programme [is ahead of schedule|pays off|bears fruit|lifts profitability|brings results]
[Rating agency|{co2}] [raises|upgrades|lifts] [credit rating|rating|outlook] [of|on] {co} [to positive|to investment grade|]
{co} [cuts|reduces|slashes|pays down|repays] debt [by {amount}|faster than planned|after asset sale]
{co} [refinances|refinanced] [loan|debt] at lower [cost|rate]
{co} [upgraded|raised] [to buy|to overweight|to outperform] at {co2}[ on valuation| on earnings momentum|]
{co2} [ups|raises|hikes|lifts] {co} [price target|target price|PT] to {price}
{co} [stock|shares] [rises|jumps|climbs|surges|gains|rallies|pops|up {pct}] [after|on|as] [earnings beat|new contract|upbeat outlook|drug approval|buyback|takeover interest]
{co} [stock|shares] [rise|gain|jump|climb] [even though|although|despite] [profit fell|sales missed|loss widened|downgrade]
{co} shares [recover|rebound|pare losses|erase losses|bounce] [after selloff|in afternoon trade|]
{co} [profit|earnings] [rise|grow|climb|jump] [despite|even as|although] [costs rise|revenue dips|weak market|higher taxes]
{co} [beats on profit|tops profit estimates], [misses on sales|revenue light|sales a touch below views]
[{co} gains|{co} benefits|{co} profits|Boost for {co}] as [rival|competitor] {co2} [stumbles|loses licence|halts production|pulls out of {place}]
{co2}'s [troubles|withdrawal|exit|strike] [help|helps|benefits] {co} win [customers|market share|orders]
{co} [beats|overtakes|outbids|edges out] {co2} [for|to win] [{product} contract|{amount} order|top spot in {place}]
[Traffic|Volume|Deliveries|Sales|Subscriptions] at {co} [up|rose|grew|climbed] {pct} [in {month}|{period}|year-on-year]
{co} [sold|delivered|shipped|produced] {count} [units|vehicles|tonnes] {period}, {pct} more than {base}
{place} [stocks|shares|market] [rally|climb|advance|close higher|gain] on [strong earnings|rate cut hopes|trade deal|jobs data]
{place} [inflation|jobless rate|deficit|poverty] [eases|falls|drops] [more than expected|to {years}-year low|]
[Rupee|Euro|Dollar|Yen|Gold|Copper|Crude] [gains|firms|strengthens|rises|edges higher] [on|as] [strong data|demand|supply cut|inflows]
[I'm|Still|Very] [long|bullish on|loading up on] {ticker}, [great quarter|big upside|this flies]
{ticker} [breakout|ripping|flying|on fire|new highs], [calls printing|bulls in control|squeeze is on]
{co} [will be|could be|is] the next [big winner|hundred-bagger|giant|superstar][!!| of its sector|]
""".strip().splitlines()

NEGATIVE = """
{co} [loses|lost|misses out on|fails to win|is beaten to] [a|its biggest|key] [contract|order|customer|tender][ to {co2}| in {place}|]
{customer} [cancels|cancelled|ends|terminates|scraps] [contract|order|deal] with {co}
{co} [order|contract] [cancelled|put on hold|delayed|cut in half], [shares fall|hitting sales|]
{co} order [intake|book|backlog] [dries up|shrinks|falls|collapses] [on weak demand|as customers wait|]
{co} [to cut|will cut|is cutting|axes|slashes|sheds|to eliminate] [{count}|{pct} of its|hundreds of] [jobs|staff|positions|workforce]
{co} [lays off|to lay off|has laid off|furloughs|dismisses] {count} [workers|employees|people] [in {place}|at {product} unit|as orders dry up|temporarily]
{co} [starts|begins|opens|has started] [layoff talks|negotiations on job cuts|personnel negotiations|redundancy talks][, up to {count} may go| at its {place} plant|]
{co} [closes|shuts|to shut|will close|mothballs|idles] [its |][{place} |][plant|factory|mill|stores|branches][, {count} jobs lost| on poor demand| for good|]
{co} [halts|stops|suspends|cuts|curtails] production [at {place} plant|of {product}] [on chip shortage|due to weak demand|after accident|]
{co} [quits|pulls out of|retreats from|exits] {place} [after losses|with a loss of {amount}|as sales flop]
{co} [misses|missed|falls short of|undershoots|fails to meet] [forecasts|estimates|expectations|views|its own targets][ in {quarter}| on weak {product} sales| again]
{co} {metric} [misses|missed|fell short of|was below|came in under] [forecasts|estimates|expectations|market views]
{co} [{quarter} |]EPS {eps_less} [misses|vs estimate of|below the consensus of|falls short of] {eps_more}
{co} [cuts|lowers|slashes|trims|withdraws|pulls|suspends] [its |][{period_word} |full-year |][forecast|guidance|outlook|targets|view]
{co} [warns|cautions|warned|flags] [of lower {metric}|on profit|about weak demand|that losses will grow|of tough year ahead]
{co} [now expects|expects|forecasts|guides for] [full-year |{period_word} ]{metric} [below|well below|short of] [consensus|earlier forecast|last year]
{co} [is likely|is expected|is set|is seen] to [post|report] [lower|a decline in|a sharp fall in|weak] {metric}
{co} {metric} [is expected|is forecast|is estimated] to [decrease|decline|weaken|fall] [this year|in 2022|next year|from last year's level]
{co} [cuts|slashes|halves|scraps|suspends|axes|omits|skips] [its |][quarterly |annual |final |][dividend|payout][ to preserve cash| after loss|]
[Shareholders|Investors] [of|in] {co} [will get|get|receive] no [dividend|payout] [this year|for 2020|after weak results]
{co} [will not|is not going to|does not plan to] [pay|propose] [a dividend|any dividend|bonus][ for the year| this time|]
{co} [fails|failed] to [pay interest|repay loan|find a buyer|win approval|stop losses|reach agreement with lenders]
{co} [missed|misses|skips] [interest payment|debt repayment|payment to bondholders|deadline for its report]
{co} [files for|seeks|slides into|faces] [bankruptcy|insolvency|creditor protection|Chapter 11|liquidation]
[Regulator|The FDA|European Commission|Health agency] [rejects|blocks|refuses|delays|opposes] {co} [drug|treatment|merger|plan|licence]
{co} [drug|treatment|vaccine|therapy] [fails|failed|disappoints|misses main goal] in [late-stage|phase 3|key|mid-stage] [trial|study]
{co} [drug|treatment|vaccine|therapy] [did not|does not|failed to] [improve survival|beat placebo|lower risk|help patients] in [trial|study]
{co} [recalls|pulls|withdraws] {count} [cars|units|{product}|devices] [over|due to|because of] [safety risk|defect|contamination|faulty parts]
{co} [loses|lost] [patent case|court case|appeal|arbitration|court battle][ against {co2}| over {product}|]
[Judge|Court|Tribunal|Jury] [rules against|orders {amount} fine for|finds against] {co}
{co} [must|has to|ordered to] pay {amount} [in damages|fine|to {co2}|over patent breach]
{co} [sued|hit with lawsuit|faces class action|accused] [over|for|of] [fraud|data breach|faulty {product}|price fixing|unpaid bills]
[Regulators|Prosecutors|Authorities|Police] [probe|investigate|raid|charge|open probe into] {co} [over|for] [bribery|accounting|price fixing|tax evasion]
{co} [chief|CEO|chairman|founder] [arrested|charged|ousted|quits suddenly|steps down under pressure]
{co} [hit|hurt|plagued|weighed down] by [weak demand|strike|supply problems|cyber attack|higher costs|strong currency]
{co} [is hurt|suffers|struggles|is under pressure] as [costs soar|customers leave|rivals cut prices|demand weakens]
{co} [losses|loss|deficit|debt] [widens|deepens|balloons|mounts|grows][ to {more} from {less}| in {quarter}|]
{co} [net |operating |pretax |]loss [widened|grew|increased|deepened] to {more} [from|compared with|against] {less}[ {base}|]
{co} [swings|swung|slips|slipped|slides|fell] into [a loss|red|the red|net loss] [in {quarter}|{period}|of {amount} from profit of {other}]
{co} [turned|turns] a profit of {amount} into a loss of {other}
{co} [{metric} |sales |orders |]did not [grow|improve|recover|rise|increase] [in {quarter}|as analysts had predicted|despite price cuts|{period}]
{co} [will not|won't|is unlikely to|does not expect to] [reach its targets|return to profit this year|grow this year|meet guidance|recover soon]
{co} [is not|isn't|is no longer] [profitable|growing|competitive|able to pay its debts|gaining market share]
[Growth|Improvement|Recovery] [at|of] {co} [was|is] [weaker|slower|less|smaller] than [hoped|expected|forecast|a year ago]
{co} [conditions|business|trading|demand|outlook] [worse|weaker|poorer|more difficult] than [a year ago|last year|in the spring|expected]
[Market conditions|Trading|Business|The outlook] [worsened|got worse|deteriorated|became more difficult] [for {co}|, says {co}|{period}]
{co} [not doing|not performing|did not do] as well as [hoped|rivals|last year|planned]
{co} [write-down|impairment|writedown|charge] of {amount} [drags down|wipes out|hits|erodes] profit
{co} [costs|expenses|fuel bill|energy costs] [rose|increased|soared|climbed] [by {pct} |][{period}|, hurting margins|and ate up profit]
{co} [margin|margins|profitability] [squeezed|under pressure|shrinks|erode] [by costs|as prices fall|]
[Rating agency|{co2}] [cuts|downgrades|lowers] [credit rating|rating|outlook] [of|on] {co} [to negative|to junk|]
{co} [downgraded|cut|lowered] to [sell|underweight|underperform|hold] at {co2}[ on valuation| on weak outlook|]
{co2} [cuts|lowers|trims|slashes] {co} [price target|target price|PT] to {price}
{co} [stock|shares] [falls|drops|tumbles|slumps|sinks|plunges|down {pct}] [after|on|as] [earnings miss|lost contract|weak outlook|downgrade|CEO exit|short report]
{co} [stock|shares] [fall|drop|slip|sink] [even though|although|despite] [profit rose|sales beat|strong results|upgrade]
{co} [beats estimates|tops forecasts|sales beat] but [outlook disappoints|guidance is weak|warns on costs|shares slump on forecast]
{co} [revenue|sales] [up|rise|grow|climb] but [profit falls|loss deepens|margins shrink|earnings miss]
{co} [raises prices|cuts staff|sells assets] as [losses mount|debt piles up|cash runs low]
[Rival|Competitor] {co2} [takes|wins|steals|grabs] [customers|market share|orders] from {co}
[Traffic|Volume|Deliveries|Sales|Subscriptions] at {co} [down|fell|declined|dropped] {pct} [in {month}|{period}|year-on-year]
{co} [sold|delivered|shipped|produced] {count} [units|vehicles|tonnes] {period}, {pct} fewer than {base}
{co} [delays|postpones|pushes back|puts off] [launch|opening|delivery|IPO|merger] [again|over safety fears|because of faults|]
{co} [data breach|hack|outage|explosion|fire|spill|accident] [hits customers|at {place} site|leaves {count_small} hurt|disrupts production]
{place} [stocks|shares|market] [slide|tumble|retreat|close lower|drop] on [weak earnings|rate hike fears|trade war|virus worries]
{place} [inflation|jobless rate|deficit|unemployment] [jumps|rises|soars] [more than expected|to {years}-year high|]
[Rupee|Euro|Dollar|Yen|Gold|Copper|Crude] [falls|weakens|slips|eases|drops] [on|as] [weak data|oversupply|outflows|demand worries]
[Sold|Dumping|Short|Stay away from] {ticker}, [awful quarter|more downside|this is toast]
{ticker} [tanking|breakdown|getting crushed|in free fall|new lows], [puts printing|bears in control|bagholders everywhere]
{co} is [a mess|a value trap|toast|finished|heading to zero][, avoid|, sell now|!|]
""".strip().splitlines()

NEUTRAL = """
{co} [sues|takes legal action against|files lawsuit against|files patent suit against] {co2} [over {product}|in {place} court|for {amount}|]
{co} [and {co2} |][settle|agree to settle] [patent |]lawsuit[, terms not disclosed| for {amount}|]
{co2} [goes bankrupt|collapses|shuts down]; {co} to [buy its assets|take on its customers|acquire its brands]
{co} [appoints|has appointed|names|named|elects|hires|recruits] {person} [as |][{title}|new {title}|interim {title}][ from {date}||, effective {date}]
{person} [has been appointed|was appointed|was named|will take over as|becomes] {title} [of|at] {co}[ as of {date}| on {date}|]
{person}, {title} of {co}, [will retire|retires|is to retire|leaves for another post] [on {date}|at the end of the year]
[Before joining {co}|Previously|Earlier], {person} [worked|was employed|held positions] at {co2}
The board of {co} [consists of|has|will comprise] {count_small} members[, among them {person}|]
{co} [will publish|publishes|is to release|will announce|reports] [its |][{quarter} |annual |interim |half-year ][results|report|earnings|figures] on {date}
{co} [{quarter} |][earnings|results] [due|expected|scheduled] [on {date}|next week|after the bell|before the open]
{co} [annual general meeting|AGM|shareholder meeting|investor day] [will be held|takes place|is scheduled] on {date}[ in {place}|]
[A conference call|A press conference|A webcast] [for analysts |]will [be held|begin|start] at [9:00|10:30|14.00|4 pm] on {date}
The [transaction|deal|merger|sale|acquisition] [is expected to|will|should] [close|be completed|be finalised] [by {date}|{period}|in the second half|after approval]
The [transaction|deal|acquisition|closing] [is subject to|requires|awaits|still needs] [regulatory approval|approval by shareholders|customary conditions]
[Terms|Financial terms|The price|Details] of the [deal|transaction|agreement|contract] [were not disclosed|have not been made public|remain confidential]
The [purchase price|acquisition price|price|deal value] is {amount}[, payable in cash| in cash and shares|, of which {less} is paid at closing|]
{co} [buys|acquires|to buy|is buying|takes over|has bought] [{co2}|{product} maker {co2}|{co2}'s {place} business|a {pct} stake in {co2}][ for {amount}|]
{co} [sells|divests|to sell|has sold|is selling] [its |][{place} |{product} ][unit|business|division|subsidiary|operations] to {co2}[ for {amount}|]
{co} [sold|bought] {count} of its own shares at an average price of {price}
{co}'s [holding|stake|share of votes] in {co2} [is now|has changed to|rose to|went from {pct_low} to|fell to] {pct_high}
{co2} [raises|lifts|increases|cuts|reduces] [stake|holding] in {co} to {pct_high} from {pct_low}
{co} [has|had] {count} [shares outstanding|shareholders|employees at the end of the year|holders of record]
[The share capital|The number of shares|Share capital] of {co} [is|amounts to|totals] {count}
{co} [issues|sells|prices|places|to issue|launches] {amount} [bond|bonds|notes|convertible|commercial paper]
{co} [board|directors] [to meet|will meet|meets] on {date} to [consider|discuss] [dividend|results|stock split|bonus issue|fund raising]
{co} [to raise|plans to raise|raises|seeks] {amount} [via|through|from] [rights issue|bonds|QIP|share sale|debentures]
{co} [declares|announces|sets] [quarterly |regular |interim |]dividend of {price}[ per share|, payable on {date}|, unchanged from last quarter|]
{co} [ex-dividend date|record date|payment date] [is|set for|fixed as] {date}
{co} [maintains|keeps|reiterates|confirms|leaves unchanged|affirms] [its |][{period_word} |full-year |][guidance|forecast|outlook|targets]
{co} [expects|forecasts|guides|sees] [{quarter} |2022 |full-year |]{metric} [of|at|between|in the range of] {amount} [to|and] {more}
{co} {metric} [is expected to be|will be|is estimated to be] [at the same level as|in line with|on a par with] [last year|the year before|2020]
{co} {metric} [in line with|matches|meets|as per] [estimates|expectations|forecasts|consensus]
{co} [{quarter} |][EPS|adjusted EPS] {eps_less} [in line with the estimate of|matching the estimate of|as expected; consensus was] {eps_same}
{metric_cap} [was|totalled|amounted to|came to] {amount} [{period}|for the year|in the reporting period]
{co} had {metric} of {amount} and {count} employees [in 2019|last year|at year-end]
{co} [has|operates|runs] {count_small} [plants|stores|offices|factories|hotels] in {place}[ and employs {count} people|]
{co} [is based|is headquartered|has its head office] in {place}[ and makes {product}| and is listed in London|]
{co} [makes|produces|manufactures|sells|designs|supplies] {product} [for {customer}|in {place}|and related services|for industrial customers]
{co}, [a|the] {place}-based [maker|supplier|seller] of {product}, [was founded in 1987|has two owners|is privately held|trades as {ticker}]
{co} [accounts for|represents|generates] {pct} of [group sales|the group's revenue|output]
The [plant|factory|mill|building|site] [has an annual capacity of|covers|produces] {count} [tonnes|square metres|units][ and was built in 1998|]
The [order|delivery|contract|project] [includes|comprises|covers|consists of] {count_small} {product}[ and spare parts| and installation|]
[Deliveries|Construction|Work|Installation|Production] [will start|begins|is due to start|will be completed|is scheduled for completion] [in {month}|on {date}|{period}]
The [project|work|construction] will [last|take] [about |]{years} years
{co} [launches|introduces|unveils|presents|rolls out|debuts] [new |its new |][{product}|{product} range|website|app|version of its software][ in {place}| at trade fair|]
{co} [to exhibit|will exhibit|to present|to speak] at [trade fair|conference|industry forum] in {place}
{co} and {co2} [sign|have signed|signed] [memorandum of understanding|letter of intent|cooperation agreement|licence agreement][ on {product}|]
{co} and {co2} [to set up|form|establish|will found] [a joint venture|joint company] [in {place}|for {product}|]
{co} [considers|mulls|weighs|studies|explores|is looking at] [sale of {product} unit|listing|options for {place} business|merger with {co2}]
{co} [in talks|holds talks|said to be in talks] [with {co2}|to buy {co2}|over {product} unit]
{co} [denies|dismisses|declines to comment on] [report|rumour|speculation] of [merger|takeover|talks with {co2}|sale]
{co} [is not|isn't] [planning|considering|negotiating] [a merger|an acquisition|a sale of {product}|to move its head office]
{co} [moves|relocates|transfers] [its headquarters|production of {product}|listing] [to {place}|from {place}]
{co} [changes|to change|reorganises|renames|merges] its [name|structure|segment reporting|two units|fiscal year]
{co} [shares|stock] [little changed|flat|unchanged|steady|mixed] [ahead of results|after report|in quiet trade|at {price}]
{co} [shares|stock] [will be listed|start trading|split|move to the main list] on {date}
{place} [stocks|shares|market] [flat|mixed|little changed|steady|end where they began] [before Fed|ahead of data|in thin trade|]
[Rupee|Euro|Dollar|Yen|Gold|Copper|Crude] [flat|steady|little changed|treads water|holds near {price}] [ahead of|before] [Fed|jobs data|OPEC meeting]
[What|Here's what|Three things] to [know|watch|look for] [before|in|ahead of] {co} [earnings|results|{quarter} report]
[Is|Are] [{co}|{co} shares|{ticker}] [overvalued|undervalued|a good investment|worth the price|too expensive|in trouble|heading for a crash]?
[Will|Could|Can|Should] {co} [raise its dividend|buy {co2}|recover|fire its CEO|beat estimates|go bust|miss its targets|double again]?
[How|Why|When|Where] [does|did|will] {co} [make money|change its strategy|spend its cash|report earnings]?
[Options|Unusual volume|Open interest|Analysts' views|Charts] on {ticker}: [what traders say|levels to watch|a summary]
{co2} [initiates|starts|begins] coverage of {co} [at neutral|at hold|with equal weight|at market perform]
{co2} [keeps|maintains|reiterates|stays at] [hold|neutral|equal weight] on {co}[, target {price}|]
[Fed|ECB|The central bank] [leaves|keeps|holds] [rates|policy] [unchanged|steady]
{co} [CEO|CFO|director|insider] [sells|buys|disposes of] {count} shares
{co} [{quarter} |][earnings call|conference call|shareholder letter] [transcript|highlights|replay|summary]
[Stocks to watch|Movers|In the news|Today's calendar|Companies in focus]: {co}, {co2}[ and {ticker}|]
[For further information|Further information|More details], please [contact|call|see] {person}, {title}[, {co}|]
{co} [files|submits|publishes|amends] [annual report|prospectus|form 10-K|disclosure|application][ with regulator| to the exchange|]
{co} [trading|shares|stock] [halted|suspended|to resume] [pending announcement|at company's request|on {date}]
{co} profit [up|rises] but [orders|outlook|sales] [down|falls]: a mixed report
""".strip().splitlines()
