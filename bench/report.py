"""The figures of a run as a table: `python -m bench.report FILE.json` prints it in markdown.

With a second file, replaces what stands there between `<!-- figures -->` and `<!-- end -->`.
"""

import json
import sys
from pathlib import Path
from typing import Any

ROWS = [
    ("Closed loop, messages/s", "messages_per_second", "{:,.0f}"),
    ("× the conventional design", "ratio", "{:.1f}"),
    ("Server CPU, ms/message", "cpu_ms", "{:.3f}"),
    ("× the C relay that syncs", "share", "{:.0%}"),
    ("p50 at 100/s, ms", "p50_ms", "{:.2f}"),
    ("p99 at 100/s, ms", "p99_ms", "{:.2f}"),
    ("p50 at 1,000/s, ms", "busy_p50_ms", "{:.2f}"),
    ("p99 at 1,000/s, ms", "busy_p99_ms", "{:.2f}"),
    ("Memory, KiB per idle visitor", "idle_kib", "{:.1f}"),
    ("Acknowledged", "acknowledged", "{:,}"),
    ("Delivered", "delivered", "{:,}"),
    ("Lost", "lost", "{:,}"),
]
START, END = "<!-- figures -->", "<!-- end -->"


def cells(result: dict[str, Any]) -> list[list[str]]:
    servers = list(result["servers"].values())
    head = ["", *(f"{one['title']} ({one['server']})" for one in servers)]
    return [head] + [
        [
            label,
            *(
                form.format(one[key]) if one[key] or not key.startswith(("busy", "share")) else "-"
                for one in servers
            ),
        ]
        for label, key, form in ROWS
    ]


def sentences(result: dict[str, Any]) -> list[str]:
    """What must be said beside the figures."""
    machine, plan = result["machine"], result["plan"]
    said = [
        "Bars: "
        + "; ".join(
            f"{bar['found']:g} {bar['what']} ({bar['bar']:g}: {'met' if bar['met'] else 'MISSED'})"
            for bar in result["bars"]
        )
        + ".",
        f"{plan['rounds']} round(s) of {plan['seconds']:g} s, {plan['chats']} chats, "
        f"{plan['idle']:,} idle visitors; medians; {result['at']}.",
        f"{machine['processor']}, {machine['cores']} core(s), {machine['system']}, "
        f"Python {machine['python']}, Django {machine['django']}, Channels {machine['channels']}, "
        f"Daphne {machine['daphne']}, uvicorn {machine['uvicorn']}.",
        f"Klikvoor ran with COMMAND_BUDGET={result['command_budget']}, because each socket stands "
        "for more messages than a person may send; all else as delivered.",
        "The yardsticks seal nothing, check no rights and number nothing.",
    ]
    if result["disturbance"] > 0.05:
        said.append(
            f"Other work used up to {result['disturbance']:.0%} of the machine meanwhile: "
            "the figures are not to be quoted."
        )
    if not result["nothing_lost"]:
        said.append("Messages were lost, doubled or damaged: see the counts of each round.")
    return said


def text_table(result: dict[str, Any]) -> str:
    table = cells(result)
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = [
        row[0].ljust(widths[0])
        + "".join(f"  {c:>{w}}" for c, w in zip(row[1:], widths[1:], strict=True))
        for row in table
    ]
    return "\n".join(["", *lines, "", *sentences(result)])


def markdown(result: dict[str, Any]) -> str:
    head, *rows = cells(result)
    lines = [
        "| " + " | ".join(head) + " |",
        "| --- |" + " --: |" * (len(head) - 1),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
    return "\n".join([*lines, "", *sentences(result)])


def main() -> None:
    source, *target = map(Path, sys.argv[1:])
    text = markdown(json.loads(source.read_text()))
    if not target:
        print(text)
        return
    page = target[0].read_text()
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    target[0].write_text(f"{before}{START}\n{text}\n{END}{after}")


if __name__ == "__main__":
    main()
