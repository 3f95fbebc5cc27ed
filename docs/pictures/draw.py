#!/usr/bin/env python3
"""draw.py [DIRECTORY]: the pictures of the documents, as SVG, into DIRECTORY (this one).

They are read on white and on black: colours are classes, and the style of each
picture has both.  A test compares the files with what this writes.  Pictures of
figures are drawn from the .csv beside this script, which figures.sql reads from views.
"""
import csv
import math
import random
import sys
from html import escape
from pathlib import Path

STYLE = """
	text { font: 14px system-ui, sans-serif; fill: #1f2328; }
	text.small { font-size: 12px; fill: #59636e; }
	text.on { font-size: 12px; fill: #ffffff; }
	text.head { font-weight: 600; }
	text.mark { font-size: 12px; font-weight: 600; fill: #0969da; }
	rect { fill: #f6f8fa; stroke: #818b98; }
	rect.key { fill: #ddf4ff; stroke: #0969da; }
	rect.no { fill: #ffebe9; stroke: #cf222e; }
	rect.yes { fill: #dafbe1; stroke: #1a7f37; }
	rect.cell { fill: #0969da; stroke: none; }
	rect.bar { fill: #54aeff; stroke: none; }
	path { stroke: #59636e; fill: none; stroke-width: 1.5; marker-end: url(#tip); }
	path.dash { stroke-dasharray: 5 4; }
	marker path { fill: #59636e; stroke: none; marker-end: none; }
	@media (prefers-color-scheme: dark) {
		text { fill: #f0f6fc; }
		text.small { fill: #9198a1; }
		text.on { fill: #ffffff; }
		text.mark { fill: #4493f8; }
		rect { fill: #151b23; stroke: #656c76; }
		rect.key { fill: #0c2d6b; stroke: #4493f8; }
		rect.cell { fill: #1f6feb; }
		rect.bar { fill: #1f6feb; }
		rect.no { fill: #490202; stroke: #f85149; }
		rect.yes { fill: #04260f; stroke: #3fb950; }
		path { stroke: #9198a1; }
		marker path { fill: #9198a1; }
	}
"""


class Picture:
    def __init__(self, width, height, title):
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0 0L10 5L0 10z"/></marker></defs>',
        ]

    def text(self, x, y, words, kind="", anchor="middle"):
        self.parts.append(f'<text x="{x}" y="{y}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>')

    def box(self, x, y, width, height, lines, kind=""):
        """A box with its lines in the middle; the first is the name."""
        self.parts.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" class="{kind}"/>')
        top = y + height / 2 - 9 * (len(lines) - 1) + 5
        for i, line in enumerate(lines):
            self.text(x + width / 2, top + 18 * i, line, "head" if i == 0 else "small")

    def arrow(self, *points, kind=""):
        line = "L".join(f"{x} {y}" for x, y in points)
        self.parts.append(f'<path d="M{line}" class="{kind}"/>')

    def write(self, path):
        path.write_text("\n".join(self.parts) + "\n</svg>\n", encoding="utf-8")


def flow():
    p = Picture(860, 370, "The way of an event: consent gate, raw events, processors, readers, with three lags")
    p.box(20, 50, 130, 70, ["event", "track, ingest, inbox"])
    p.arrow((150, 85), (195, 85))
    p.box(197, 50, 150, 70, ["consent gate", "stamps the purposes"], "key")
    p.arrow((347, 85), (392, 85))
    p.box(394, 50, 140, 70, ["event table", "your transaction"])
    p.arrow((534, 85), (579, 85))
    p.box(581, 20, 255, 130, ["processors", "profile: what each person likes", "neighbour: what goes together", "item_stat: views, sales, trends",
                             "each event exactly once"])
    p.arrow((272, 120), (272, 153))
    p.box(197, 155, 150, 40, ["not stored"], "no")
    p.text(357, 180, "no purpose left", "small", "start")
    p.arrow((708, 150), (708, 238))
    p.arrow((490, 120), (490, 238), kind="dash")
    p.text(500, 212, "events not counted yet", "small", "start")
    p.box(394, 240, 442, 56, ["readers", "recommend, features, similar_items, trending, views"], "key")
    p.arrow((394, 268), (347, 268))
    p.box(20, 240, 325, 56, ["answer", "with a reason for each item"], "yes")
    p.text(20, 328, "Lag 1: none, for what is asked about one person: readers add what is not counted yet.", "mark", "start")
    p.text(20, 345, "Lag 2: a second or two, for item statistics and analysts' views: the last batch of a processor.", "mark", "start")
    p.text(20, 362, "Lag 3: for lists of what is popular: that batch, in a large shop up to fifty times as long as making them takes.", "mark", "start")
    return p


def consent():
    p = Picture(860, 400, "Whose word counts, for each purpose by itself")
    p.text(20, 26, "For each purpose by itself: may this event be used for it?", "head", "start")
    rows = [
        (45, ["erased or restricted?", "forget(), restrict()"], "yes", "no: not for this purpose", "no"),
        (135, ["has the ledger spoken?", "grant, withdraw, record_choice"], "yes", "what ledger and event both allow", "yes"),
        (225, ["does the event speak?", "track(…, consent => …)"], "yes", "what the event allows; the ledger remembers it", "yes"),
        (315, ["the default", "purpose_default"], "", "denied, unless it says allowed", "no"),
    ]
    for i, (y, lines, word, result, kind) in enumerate(rows):
        p.box(20, y, 260, 56, lines, "key")
        p.arrow((280, y + 28), (398, y + 28))
        if word:
            p.text(338, y + 20, word, "small")
        p.box(400, y, 440, 56, [result], kind)
        if i < len(rows) - 1:
            p.arrow((150, y + 56), (150, y + 88))
            p.text(162, y + 77, "no", "small", "start")
    p.text(400, 207, "the event is silent: what the ledger allows", "small", "start")
    p.text(400, 297, "nothing, if personalize.event_consent is require_ledger", "small", "start")
    p.text(20, 392, "With no purpose left nothing is stored. Of decisions the one that took effect last holds; of two at the same time the refusal.",
           "small", "start")
    return p


def erasure():
    p = Picture(860, 330, "Stages of an erasure, and what each waits for")
    p.text(20, 26, "forget() commits, and then:", "head", "start")
    stages = [
        ("logical", "no statement finds", "the person", "nothing", "yes"),
        ("dictionary", "words and items only", "they had are gone", "scrub_erased()", ""),
        ("vacuumed", "row versions removed,", "pages overwritten", "old transactions", ""),
        ("statistics", "the planner", "has forgotten", "vacuumed", ""),
        ("replicas", "standbys have", "replayed that", "standbys, slots", ""),
        ("wal", "no old segment", "is left", "checkpoints", ""),
        ("backups", "older ones", "are deleted", "backup_retention", ""),
    ]
    for i, (name, first, second, waits, kind) in enumerate(stages):
        x, y = (20 + 210 * i, 50) if i < 4 else (125 + 210 * (i - 4), 195)
        p.box(x, y, 185, 76, [name, first, second], kind)
        p.text(x + 92, y + 94, "waits for: " + waits, "mark")
        if i not in (3, 6):
            p.arrow((x + 185, y + 38), (x + 208, y + 38))
    p.arrow((742, 160), (742, 172), (217, 172), (217, 193))
    p.text(20, 318, "erasure_status(receipt) says how far it is, since when, and who is in the way.", "small", "start")
    return p


def figures(name):
    """The rows of a .csv beside this script."""
    with open(Path(__file__).parent / f"{name}.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def retention():
    rows = figures("retention")
    began = sorted({row["began"] for row in rows})
    people = {(row["began"], int(row["weeks_later"])): int(row["people"]) for row in rows}
    weeks = range(max(later for _, later in people) + 1)
    p = Picture(860, 100 + 32 * len(began), "Of the people of each week, the share that comes back in each week after")
    p.text(20, 26, "Week of the first visit, people, and how many per cent come back so many weeks later", "head", "start")
    for later in weeks:
        p.text(257 + 72 * later, 56, str(later), "small")
    for line, week in enumerate(began):
        y = 66 + 32 * line
        first = people[week, 0]
        p.text(20, y + 20, week, "", "start")
        p.text(180, y + 20, str(first), "small", "end")
        for later in weeks:
            if (week, later) not in people:
                continue
            share = people[week, later] / first
            p.parts.append(f'<rect x="{222 + 72 * later}" y="{y}" width="70" height="30" class="cell" fill-opacity="{share:.2f}"/>')
            p.text(257 + 72 * later, y + 20, f"{100 * share:.0f} %", "on" if share > 0.5 else "small")
    p.text(20, 86 + 32 * len(began), "From analytics_event, for the purpose analytics.", "small", "start")
    return p


def funnel():
    rows = figures("funnel")
    most = int(rows[0]["people"])
    p = Picture(860, 80 + 46 * len(rows), "How many people get how far, from a view to a purchase")
    p.text(20, 26, "People who got as far as …", "head", "start")
    before = most
    for line, row in enumerate(rows):
        y, people = 44 + 46 * line, int(row["people"])
        p.text(20, y + 22, row["event"], "", "start")
        p.parts.append(f'<rect x="170" y="{y}" width="{500 * people / most:.0f}" height="34" rx="4" class="bar"/>')
        p.text(690, y + 22, str(people), "head", "start")
        if line > 0:
            p.text(740, y + 22, f"{100 * people / before:.0f} % of those", "small", "start")
        before = people
    p.text(20, 66 + 46 * len(rows), "From analytics_event, for the purpose analytics.", "small", "start")
    return p


def mixture_half_width(variance, n, tuned_for, alpha):
    """Of a confidence sequence: src/experiments/statistic.c has the formula and its source."""
    twice = -2 * math.log(alpha)
    rho = tuned_for / (twice + math.log1p(twice))
    return math.sqrt(variance * (n + rho) / n * (math.log((n + rho) / rho) + twice))


def simulated_intervals(days, daily, rate, lift, seed):
    """Low and high of the lift at the end of each day of a run in which people buy or do not."""
    draw = random.Random(seed).random
    control = treated = 0
    for day in range(1, days + 1):
        control += sum(draw() < rate for _ in range(daily))
        treated += sum(draw() < rate * (1 + lift) for _ in range(daily))
        n = day * daily
        a, b = control / n, treated / n
        variance = (b * (1 - b) / a ** 2 + a * (1 - a) * b ** 2 / a ** 4) / (n - 1)
        half = mixture_half_width(variance, 2 * n, 14000, .05)
        yield b / a - 1 - half, b / a - 1 + half


def experiment():
    p = Picture(860, 330, "The interval of a simulated experiment over 28 days narrows around its lift")
    p.parts.append("<style>path.line, path.grid { marker-end: none; } path.grid { stroke-width: .5; }</style>")
    intervals = list(simulated_intervals(28, 250, .1, .2, 9))
    found = next(day for day in range(28) if all(low > 0 for low, _ in intervals[day:]))

    def height(lift):
        return round(150 - 200 * max(-.5, min(.6, lift)), 1)

    p.text(20, 24, "Lift of the conversion, by day; the true one is 20 %", "head", "start")
    for lift in (-.4, -.2, 0, .2, .4):
        p.text(56, height(lift) + 4, f"{lift * 100:+.0f} %" if lift else "0", "small", "end")
        p.parts.append(f'<path d="M64 {height(lift)}L840 {height(lift)}" class="{"line" if lift == 0 else "grid"}"/>')
    for day, (low, high) in enumerate(intervals):
        x, top, bottom = 70 + 27.5 * day, height(high), height(low)
        p.parts.append(f'<rect x="{x}" y="{top}" width="18" height="{round(bottom - top, 1)}" rx="2" class="{"yes" if day >= found else ""}"/>')
        p.parts.append(f'<path d="M{x} {height((low + high) / 2)}L{x + 18} {height((low + high) / 2)}" class="line"/>')
        if (day + 1) % 7 == 0:
            p.text(x + 9, 278, f"day {day + 1}", "small")
    p.text(79 + 27.5 * found, height(intervals[found][0]) + 18, f"day {found + 1}", "mark")
    p.text(20, 316, f"250 people a day and variant. From day {found + 1} on the interval leaves 0 out: the variant is better.", "small", "start")
    return p


def main():
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name, draw in (
            ("flow", flow), ("consent", consent), ("erasure", erasure),
            ("retention", retention), ("funnel", funnel), ("experiment", experiment)):
        draw().write(directory / f"{name}.svg")


if __name__ == "__main__":
    main()
