"""The nine steps of a client, as TAP: each is a function that raises where it fails."""
import sys
import traceback

STEPS = ["connects as a role that was granted what the documents say", "tracks",
         "inserts many events and has their ids back", "records consent",
         "reads recommendations joined to products, as objects", "reads features",
         "rolls an order and its events back together", "is told what is wrong with an event",
         "has its migration tool leave everything alone"]


def run(client, steps):
    failed = 0
    print("1..%d" % len(STEPS))
    for number, (name, step) in enumerate(zip(STEPS, steps, strict=True), 1):
        try:
            step()
            print("ok %d - %s %s" % (number, client, name), flush=True)
        except Exception:
            failed += 1
            print("not ok %d - %s %s" % (number, client, name), flush=True)
            print("# " + traceback.format_exc(limit=-3, chain=False).strip()[-2000:].replace("\n", "\n# "), flush=True)
    sys.exit(failed > 0)
